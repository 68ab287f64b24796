"""Which of several models do the readings support?"""
