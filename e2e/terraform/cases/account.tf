resource "aws_account_alternate_contact" "billing" {
  alternate_contact_type = "BILLING"
  name                   = var.edited ? "Blue Heron" : "Grey Heron"
  title                  = "Warden"
  email_address          = "heron@example.com"
  phone_number           = "+1234567890"
}
