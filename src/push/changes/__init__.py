"""Changes: records of any source, what they tell, and the tags that they raise."""
