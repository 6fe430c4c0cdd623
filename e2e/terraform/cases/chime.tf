resource "aws_chime_voice_connector" "line" {
  name               = "line"
  require_encryption = !var.edited
  tags               = { team = "birds" }
}
