resource "aws_identitystore_group" "wardens" {
  identity_store_id = "d-1234567890"
  display_name      = "Wardens"
  description       = var.edited ? "All wardens" : "Wardens"
}

resource "aws_identitystore_user" "heron" {
  identity_store_id = "d-1234567890"
  display_name      = "Blue Heron"
  user_name         = "heron"
  title             = var.edited ? "Head warden" : "Warden"

  name {
    given_name  = "Blue"
    family_name = "Heron"
  }
}

resource "aws_identitystore_group_membership" "heron" {
  identity_store_id = "d-1234567890"
  group_id          = aws_identitystore_group.wardens.group_id
  member_id         = aws_identitystore_user.heron.user_id
}
