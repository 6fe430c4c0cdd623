resource "aws_auditmanager_control" "sight" {
  name        = "sight"
  description = var.edited ? "Seen twice" : "Seen once"

  control_mapping_sources {
    source_name          = "by hand"
    source_set_up_option = "Procedural_Controls_Mapping"
    source_type          = "MANUAL"
  }

  tags = { team = "birds" }
}
