resource "aws_sesv2_configuration_set" "birds" {
  configuration_set_name = "birds"

  sending_options {
    sending_enabled = !var.edited
  }

  tags = { team = "birds" }
}

resource "aws_sesv2_contact_list" "wardens" {
  contact_list_name = "wardens"
  description       = var.edited ? "All wardens" : "Wardens"
  tags              = { team = "birds" }
}

resource "aws_sesv2_email_identity" "grebe" {
  email_identity = "grebe.example.com"
  tags           = { team = var.edited ? "herons" : "birds" }
}

resource "aws_sesv2_dedicated_ip_pool" "few" {
  pool_name = "few"
  tags      = { team = var.edited ? "herons" : "birds" }
}
