func.func @good(%logits: tensor<?x8xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %0:2 = moe.route {routing = #moe.routing<k = 2>} ins(%logits : tensor<?x8xf32>) outs(%ids, %weights : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %0#0 : tensor<?x2xi32>
}
