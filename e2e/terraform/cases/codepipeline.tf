resource "aws_codepipeline" "birds" {
  name     = "birds"
  role_arn = "arn:aws:iam::111122223333:role/pipeline"

  artifact_store {
    location = "artifacts"
    type     = "S3"
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeCommit"
      version          = "1"
      output_artifacts = ["source"]
      configuration    = { RepositoryName = "birds", BranchName = var.edited ? "main" : "test" }
    }
  }

  stage {
    name = "Build"

    action {
      name            = "Build"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["source"]
      configuration   = { ProjectName = "birds" }
    }
  }

  tags = { team = "birds" }
}
