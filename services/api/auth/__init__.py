"""Accounts and sessions as a replica sees them: it decides, the supervisor writes."""
