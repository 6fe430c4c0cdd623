# seconds: 120
resource "aws_ecs_cluster" "birds" {
  name = "birds"

  setting {
    name  = "containerInsights"
    value = var.edited ? "disabled" : "enabled"
  }

  tags = { team = "birds" }
}

resource "aws_ecs_task_definition" "heron" {
  family = "heron"
  cpu    = "256"
  memory = "512"

  container_definitions = jsonencode([{
    name           = "heron"
    image          = "heron:1"
    cpu            = 10
    memory         = 256
    essential      = true
    environment    = []
    mountPoints    = []
    portMappings   = []
    systemControls = []
    volumesFrom    = []
  }])

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_ecs_service" "heron" {
  name            = "heron"
  cluster         = aws_ecs_cluster.birds.id
  task_definition = aws_ecs_task_definition.heron.arn
  desired_count   = var.edited ? 2 : 1
  tags            = { team = "birds" }
}
