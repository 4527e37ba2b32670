#!/bin/sh
# The peers of the judge, MMD, text, drift and personal-data benchmarks, each in an environment of its own under benchmarks/.peers (git-ignored, 6.3 GB).
# One that cannot be installed is named at the end, and the benchmark leaves it out.   sh benchmarks/install_peers.sh [NAME]...
set -u
cd "$(dirname "$0")" && mkdir -p .peers && cd .peers || exit 1
missing=""

python_peer() {  # NAME PACKAGES...
    name=$1
    shift
    [ -x "$name/bin/python" ] || "${PYTHON:-python3}" -m venv "$name" || return 1
    "$name/bin/python" -m pip install -q --disable-pip-version-check "$@"
}

for name in ${*:-deepeval ragas inspect pydantic promptfoo alibi evidently presidio}; do
    case $name in
        deepeval) python_peer deepeval 'deepeval==4.3.1' ;;
        ragas) python_peer ragas 'ragas==0.4.3' 'langchain-community<0.4' 'langchain-openai<1' 'langchain-core<1' ;;
        inspect) python_peer inspect 'inspect-ai==0.3.285' openai ;;
        pydantic) python_peer pydantic 'pydantic-evals==2.62.0' 'pydantic-ai-slim[openai]==2.62.0' ;;
        promptfoo)  # the newest for Node 20
            mkdir -p promptfoo && (cd promptfoo && npm install --silent --no-save --ignore-scripts --prefix . promptfoo@0.121.20)
            ;;
        alibi) python_peer alibi 'alibi-detect==0.13.0' 'torch==2.13.0' ;;
        evidently) python_peer evidently 'evidently==0.7.23' 'pandas<3' pyarrow ;;
        presidio) python_peer presidio 'presidio-analyzer==2.2.366' ;;
        *) echo "no peer is called $name" >&2 && false ;;
    esac || missing="$missing $name"
done
[ -z "$missing" ] || { echo "NOT INSTALLED:$missing" >&2 && exit 1; }
