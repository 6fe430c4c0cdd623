resource "aws_ecrpublic_repository" "birds" {
  repository_name = "birds"

  catalog_data {
    about_text  = var.edited ? "All birds" : "Birds"
    description = "Images of birds"
  }

  tags = { team = "birds" }
}
