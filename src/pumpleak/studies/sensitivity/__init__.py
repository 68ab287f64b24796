"""Which input's uncertainty limits the answer?"""
