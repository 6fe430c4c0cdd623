resource "aws_gamelift_alias" "heron" {
  name        = "heron"
  description = var.edited ? "The heron" : "Heron"

  routing_strategy {
    type    = "TERMINAL"
    message = "Gone fishing"
  }

  tags = { team = "birds" }
}

resource "aws_gamelift_game_session_queue" "birds" {
  name               = "birds"
  timeout_in_seconds = var.edited ? 60 : 30
  tags               = { team = "birds" }
}
