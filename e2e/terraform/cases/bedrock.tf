resource "aws_bedrock_guardrail" "polite" {
  name                      = "polite"
  description               = var.edited ? "More polite" : "Polite"
  blocked_input_messaging   = "No"
  blocked_outputs_messaging = "No"

  word_policy_config {
    words_config {
      text = "cat"
    }
  }

  tags = { team = "birds" }
}
