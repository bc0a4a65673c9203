"""The audit: is what the manual tells people to set up so, here, now? Checks gather facts and judge them."""
