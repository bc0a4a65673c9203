"""The actions of ``lilfox backup``, one file each."""
