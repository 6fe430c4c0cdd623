resource "aws_ecr_repository" "birds" {
  name                 = "birds"
  image_tag_mutability = var.edited ? "IMMUTABLE" : "MUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  tags = { team = "birds" }
}

resource "aws_ecr_lifecycle_policy" "birds" {
  repository = aws_ecr_repository.birds.name
  policy     = jsonencode({ rules = [{ rulePriority = 1, description = "few", selection = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }, action = { type = "expire" } }] })
}

resource "aws_ecr_repository_policy" "birds" {
  repository = aws_ecr_repository.birds.name
  policy     = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = var.edited ? "readers" : "reader", Effect = "Allow", Principal = "*", Action = ["ecr:GetDownloadUrlForLayer"] }] })
}
