"""A plugin for Understudy."""
