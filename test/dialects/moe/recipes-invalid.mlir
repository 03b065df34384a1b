// RUN: moe-opt %s -split-input-file -verify-diagnostics

moe.recipes {
  // expected-error @+1 {{tensor name 'experts.w' lacks {expert}, which stands for the number of the expert}}
  %0 = moe.load_bank "experts.w" : !moe.bank<3 x tensor<4x4xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.cast' op changes the shape, from 'tensor<4x4xf32>' to 'tensor<4x5xf32>'}}
  %1 = moe.cast %0 : tensor<4x4xf32> to tensor<4x5xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.cast' op changes the shape, from 'tensor<4x4xf32>' to '!moe.bank<3 x tensor<4x4xf32>>'}}
  %1 = moe.cast %0 : tensor<4x4xf32> to !moe.bank<3 x tensor<4x4xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  %1 = moe.load "b" : tensor<4x5xf32>
  // expected-error @+1 {{'moe.concat' op input 'tensor<4x5xf32>' does not fit the result 'tensor<8x4xf32>'}}
  %2 = moe.concat %0, %1 : tensor<4x4xf32>, tensor<4x5xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.concat' op inputs have 8 rows, the result 9}}
  %2 = moe.concat %0, %0 : tensor<4x4xf32>, tensor<4x4xf32> to tensor<9x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op groups of 3 rows do not divide the 4 rows of the input}}
  %1 = moe.slice %0 {group = 3 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op groups of 0 rows do not divide the 4 rows of the input}}
  %1 = moe.slice %0 {group = 0 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows 1 to 3 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 1 : i64, size = 2 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows -1 to 1 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = -1 : i64, size = 2 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows 0 to 0 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 0 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op keeps 2 rows, the result has 3}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<3x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op input 'tensor<4x4xf32>' does not fit the result 'tensor<2x5xf32>'}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x5xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf16>
  // expected-error @+1 {{'moe.pack' op packs matrices of f32 or bf16, got 'tensor<4x4xf16>'}}
  %1 = moe.pack %0 : tensor<4x4xf16> to tensor<1x2x16x2xf16>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4xf32>
  // expected-error @+1 {{'moe.pack' op packs matrices of f32 or bf16, got 'tensor<4xf32>'}}
  %1 = moe.pack %0 : tensor<4xf32> to tensor<1x4x16xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<17x5xbf16>
  // expected-error @+1 {{'moe.pack' op result must have type 'tensor<2x3x16x2xbf16>'}}
  %1 = moe.pack %0 : tensor<17x5xbf16> to tensor<1x3x16x2xbf16>
}

// -----

moe.recipes {
  // expected-error @+1 {{'moe.rope_table' op result must be f32 [positions, 2, 2], got 'tensor<64x2x3xf32>'}}
  %0 = moe.rope_table {attention_factor = 1.0 : f64, frequencies = array<f64: 1.0, 0.1>} : tensor<64x2x3xf32>
}

// -----

func.func @f(%w: tensor<4x4xf32>) {
  // expected-error @+1 {{'moe.define' op expects parent op 'moe.recipes'}}
  moe.define "w" role "output", %w : tensor<4x4xf32>
  return
}

// -----

// expected-error @+1 {{a range needs at least 1 expert, got 0}}
func.func private @f() attributes {r = #moe.range<zero, 0>}

// -----

// expected-error @+1 {{expected at least one range of kind ffn}}
func.func private @f() attributes {r = #moe.ranges<[#moe.range<zero, 2>]>}

// -----

moe.recipes {
  // expected-error @+1 {{tensor name 'a.{expert}' of stacked members contains}}
  %0 = moe.load_bank "a.{expert}" {stacked} : !moe.bank<2 x tensor<2x2xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x2xf32>
  // expected-error @+1 {{is not the transpose of}}
  %1 = moe.transpose %0 : tensor<8x2xf32> to tensor<8x2xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{a block needs two sizes of at least 1}}
  %1 = moe.dequantize %0, %s {block = array<i64: 4>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{needs scales [4, 2], got 'tensor<2x2xf32>'}}
  %1 = moe.dequantize %0, %s {block = array<i64: 2, 2>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{dequantizes to f32 or bf16, got 'tensor<8x4xf16>'}}
  %1 = moe.dequantize %0, %s {block = array<i64: 4, 2>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf16>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x2xf32>
  // expected-error @+1 {{inputs have 4 columns, the result 5}}
  %1 = moe.concat %0, %0 {columns} : tensor<8x2xf32>, tensor<8x2xf32> to tensor<8x5xf32>
}

// -----

func.func @f(%b: !moe.bank<6 x tensor<5xf32>>, %o: tensor<7xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{bank must be a bank of 6 vectors of 4, got '!moe.bank<6 x tensor<5xf32>>'}}
  %0 = moe.spread ins(%b, %o : !moe.bank<6 x tensor<5xf32>>, tensor<7xi32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

moe.recipes {
  %0 = moe.load "w" : tensor<6x4xf32>
  // expected-error @+1 {{'moe.split' op input 'tensor<6x4xf32>' does not hold the rows of '!moe.bank<4 x tensor<2x4xf32>>'}}
  %1 = moe.split %0 : tensor<6x4xf32> to !moe.bank<4 x tensor<2x4xf32>>
}
