"""What happened: sessions, pictures, revisions, branches, turns, kept so that nothing is ever lost.

Imports nothing of ours. Does not decide, edit or show anything.
"""
