"""`pushaside plan`: the AWS quotas, environments and monthly bill of a deployment, computed before it exists."""
