resource "aws_elastictranscoder_pipeline" "films" {
  name         = var.edited ? "films-2" : "films"
  input_bucket = "films-in"
  role         = "arn:aws:iam::111122223333:role/transcoder"

  content_config {
    bucket        = "films-out"
    storage_class = "Standard"
  }

  thumbnail_config {
    bucket        = "films-out"
    storage_class = "Standard"
  }
}
