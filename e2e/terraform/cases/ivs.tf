resource "aws_ivs_channel" "nest" {
  name         = var.edited ? "nest-2" : "nest"
  latency_mode = "LOW"
  type         = "STANDARD"
  tags         = { team = "birds" }
}

resource "aws_ivschat_room" "talk" {
  name                   = "talk"
  maximum_message_length = var.edited ? 200 : 100
  tags                   = { team = "birds" }
}
