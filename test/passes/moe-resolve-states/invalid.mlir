// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-resolve-states

func.func @contexts() {
  %a = nn.state_ref 0 : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>
  // expected-error@+1 {{state 1 has 2 sequences of 96 positions, others have 2 of 64: they share one block table}}
  %b = nn.state_ref 1 : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 96>
  return
}

// -----

func.func @types() {
  %a = nn.state_ref 0 : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>
  // expected-error@+1 {{state 0 is '!nn.state<heads = 1}}
  %b = nn.state_ref 0 : !nn.state<heads = 1, key = 4, value = 8, element = f32, sequences = 2, positions = 64>
  return
}
