func.func private @task(%x: memref<?x4xf32>, %i: index) attributes {moe.task} {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<?x4xf32>, vector<4xf32>
  %s = math.sqrt %v : vector<4xf32>
  vector.store %s, %x[%i, %c0] : memref<?x4xf32>, vector<4xf32>
  return
}
func.func private @kernel(%host: !moe.host, %x: memref<?x4xf32>) attributes {moe.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x4xf32>
  moe.parallel @task(%x) tasks(%n) on %host : memref<?x4xf32>
  return
}
