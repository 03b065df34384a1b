# moec's commands. The build itself is CMake's, in build/ or $MOEC_BUILD_DIR.

BUILD := $(or $(MOEC_BUILD_DIR),build)
NPROC := $(shell nproc)

.NOTPARALLEL:
.PHONY: build setup check demo bench docs format clean

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(NPROC)

$(BUILD)/build.ninja:
	@cmake -S . -B $(BUILD) -G Ninja \
	  -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
	  -DCMAKE_C_COMPILER_LAUNCHER=ccache \
	  "-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache" \
	  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld

# Installs what is missing on Debian 12; does nothing when all is there.
setup:
	@scripts/setup.sh

# All tests. The last line is the sum; what keeps them from running is a failure.
check:
	@$(MAKE) --no-print-directory setup build || \
	  { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
	@/usr/bin/python3 test/run.py --build $(BUILD)

demo: setup build
	@scripts/demo.sh $(BUILD)

bench: setup build
	@scripts/bench.sh $(BUILD)

# The reference pages that are generated from the TableGen files.
docs:
	@scripts/docs.sh docs/generated

format:
	@scripts/format.sh

clean:
	@rm -rf $(BUILD)
