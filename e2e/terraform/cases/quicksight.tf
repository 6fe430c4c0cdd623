resource "aws_quicksight_namespace" "birds" {
  namespace = "birds"
}

resource "aws_quicksight_group" "wardens" {
  group_name  = "wardens"
  namespace   = aws_quicksight_namespace.birds.namespace
  description = var.edited ? "All wardens" : "Wardens"
}

resource "aws_quicksight_folder" "birds" {
  folder_id = "birds"
  name      = var.edited ? "All birds" : "Birds"
  tags      = { team = "birds" }
}
