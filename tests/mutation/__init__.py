"""Mutation testing of engine/orders: does a test notice when a line of the heart is changed?"""
