resource "aws_efs_file_system" "birds" {
  creation_token  = "birds"
  throughput_mode = var.edited ? "elastic" : "bursting"
  tags            = { Name = "birds" }

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }
}

resource "aws_efs_access_point" "herons" {
  file_system_id = aws_efs_file_system.birds.id
  tags           = { Name = var.edited ? "herons-2" : "herons" }

  root_directory {
    path = "/herons"
  }
}
