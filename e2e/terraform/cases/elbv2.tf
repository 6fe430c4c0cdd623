resource "aws_lb" "web" {
  name               = "web"
  internal           = true
  load_balancer_type = "application"
  idle_timeout       = var.edited ? 90 : 60
  subnets            = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_groups    = ["sg-0123456789abcdef0"]
  tags               = { team = "birds" }
}

resource "aws_lb_target_group" "herons" {
  name     = "herons"
  port     = 80
  protocol = "HTTP"
  vpc_id   = "vpc-0123456789abcdef0"

  health_check {
    path = var.edited ? "/healthy" : "/health"
  }

  tags = { team = "birds" }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.web.arn
  port              = var.edited ? 8080 : 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.herons.arn
  }
}
