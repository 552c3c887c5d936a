"""What Facebook, Instagram and Threads have in common: Meta's Graph API, after its reference."""
