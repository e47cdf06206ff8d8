"""What a deployment for a given load needs of AWS, and what it costs a month, computed before it is made."""
