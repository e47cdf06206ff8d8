"""The Lambda service, which runs functions in processes of their own under Lambda's rules."""
