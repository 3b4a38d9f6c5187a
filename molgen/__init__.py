"""molgen"""
