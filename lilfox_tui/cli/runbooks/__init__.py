"""The actions of ``lilfox runbook``, one file each."""
