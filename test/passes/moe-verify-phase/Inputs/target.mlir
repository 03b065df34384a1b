moe.recipes {
  %0 = moe.load "w" : tensor<4x4xf32>
  moe.define "w" role "output", %0 : tensor<4x4xf32>
}
llvm.func @entry(%p: !llvm.ptr) -> f32 {
  %v = llvm.load %p : !llvm.ptr -> f32
  llvm.return %v : f32
}
