"""The Lambda service: functions in processes of their own, under Lambda's rules."""
