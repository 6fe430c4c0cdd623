# seconds: 120
resource "aws_transfer_workflow" "copy" {
  description = "Copy"

  steps {
    type = "DELETE"
    delete_step_details {
      name                 = "delete"
      source_file_location = "$${original.file}"
    }
  }

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_transfer_server" "birds" {
  identity_provider_type = "SERVICE_MANAGED"
  protocols              = ["SFTP"]
  security_policy_name   = var.edited ? "TransferSecurityPolicy-2024-01" : "TransferSecurityPolicy-2020-06"
  tags                   = { Name = "birds" }
}

resource "aws_transfer_user" "heron" {
  server_id      = aws_transfer_server.birds.id
  user_name      = "heron"
  role           = "arn:aws:iam::111122223333:role/transfer"
  home_directory = var.edited ? "/birds/herons" : "/birds/heron"
  tags           = { team = "birds" }
}
