resource "aws_launch_configuration" "heron" {
  name          = "heron"
  image_id      = "ami-0123456789abcdef0"
  instance_type = "t3.micro"
}

resource "aws_autoscaling_group" "herons" {
  name                 = "herons"
  availability_zones   = ["us-east-1a"]
  launch_configuration = aws_launch_configuration.heron.name
  desired_capacity     = 0
  min_size             = 0
  max_size             = var.edited ? 3 : 2

  tag {
    key                 = "team"
    value               = var.edited ? "herons" : "birds"
    propagate_at_launch = true
  }
}

resource "aws_autoscaling_policy" "more" {
  name                   = "more"
  autoscaling_group_name = aws_autoscaling_group.herons.name
  adjustment_type        = "ChangeInCapacity"
  scaling_adjustment     = var.edited ? 2 : 1
  cooldown               = 300
}

resource "aws_autoscaling_schedule" "night" {
  scheduled_action_name  = "night"
  autoscaling_group_name = aws_autoscaling_group.herons.name
  min_size               = 0
  max_size               = 1
  desired_capacity       = 0
  recurrence             = var.edited ? "0 20 * * *" : "0 22 * * *"
}
