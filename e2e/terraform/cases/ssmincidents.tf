resource "aws_ssmcontacts_contact" "warden" {
  alias        = "warden"
  display_name = var.edited ? "Head warden" : "Warden"
  type         = "PERSONAL"
}
