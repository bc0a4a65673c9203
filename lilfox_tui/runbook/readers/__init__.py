"""What is known of programs: which words of theirs only read. What is not in its table is no reader."""
