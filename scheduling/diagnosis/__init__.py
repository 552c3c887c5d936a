"""`manage.py doctor`: is this installation able to publish, and if not, which variable is wrong?"""
