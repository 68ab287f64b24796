"""What can these data determine?"""
