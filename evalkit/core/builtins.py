"""The built-in plug-in parts: name → (module:Class, family, one line). Nothing here is imported until it is used."""

from __future__ import annotations

_MATCH = "evalkit.metrics.match"
_RANK = "evalkit.metrics.retrieval"
_SINKS = "evalkit.monitor.sinks"

BUILTINS: dict[str, dict[str, tuple[str, str, str]]] = {
    "metric": {
        "exact_match": (f"{_MATCH}:ExactMatch", "match", "equal to any reference"),
        "contains": (f"{_MATCH}:Contains", "match", "any, or every, reference stands in the output"),
        "regex": (f"{_MATCH}:Regex", "match", "the output matches a pattern"),
        "numeric_match": (
            "evalkit.metrics.numeric:NumericMatch",
            "match",
            "the last number of the output equals the reference",
        ),
        "accuracy": ("evalkit.metrics.accuracy:Accuracy", "match", "label equality; precision, recall, F1 and kappa beside it"),
        "token_f1": (f"{_MATCH}:TokenF1", "match", "SQuAD's token overlap, best over references"),
        "levenshtein": ("evalkit.metrics.edit:Levenshtein", "overlap", "edit distance and similarity, in characters or words"),
        "bleu": ("evalkit.metrics.bleu:Bleu", "overlap", "n-gram precision with brevity penalty, equal to sacrebleu"),
        "chrf": ("evalkit.metrics.chrf:Chrf", "overlap", "character n-gram F score, equal to sacrebleu"),
        "ter": ("evalkit.metrics.ter:Ter", "overlap", "translation edit rate, equal to sacrebleu"),
        "rouge": ("evalkit.metrics.rouge:Rouge", "overlap", "ROUGE-1, 2, L and Lsum, equal to rouge-score"),
        "meteor": ("evalkit.metrics.meteor:Meteor", "overlap", "stems and synonyms aligned, equal to NLTK"),
        "bertscore": (
            "evalkit.metrics.embedding:BertScore",
            "model",
            "token vectors matched by cosine, equal to bert-score",
        ),
        "semantic_similarity": ("evalkit.metrics.embedding:SemanticSimilarity", "model", "cosine of sentence vectors"),
        "bleurt": ("evalkit.metrics.bleurt:Bleurt", "model", "a learned score of (reference, output), from any checkpoint"),
        "reward": ("evalkit.metrics.reward:Reward", "model", "a logit of any sequence classifier over (input, output)"),
        "diversity": ("evalkit.metrics.diversity:Diversity", "overlap", "distinct-1, -2 and self-BLEU of samples or outputs"),
        "compression": (
            "evalkit.metrics.summary:Compression",
            "summary",
            "how many times longer the source is than the output",
        ),
        "coverage": ("evalkit.metrics.summary:Coverage", "summary", "share of the output that is copied from the source"),
        "density": ("evalkit.metrics.summary:Density", "summary", "how long the copied runs are"),
        "novelty": ("evalkit.metrics.summary:Novelty", "summary", "n-grams of the output that the source lacks"),
        "unsupported_entities": (
            "evalkit.metrics.entities:UnsupportedEntities",
            "summary",
            "numbers, dates and names that the source lacks",
        ),
        "pii": ("evalkit.metrics.pii:PersonalData", "safety", "personal data and secrets, told by their shape and checksum"),
        "refusal": (
            "evalkit.judges.refusal:Refusal",
            "safety",
            "the output declines, by patterns of nine languages or a judge",
        ),
        "prompt_leak": ("evalkit.metrics.prompt_leak:PromptLeak", "safety", "how much of its system prompt an output repeats"),
        "toxicity": (
            "evalkit.judges.toxicity:Toxicity",
            "safety",
            "insults, hate, threats: by a lexicon, a classifier or a judge",
        ),
        "jailbreak": (
            "evalkit.judges.jailbreak:Jailbreak",
            "safety",
            "attacks that succeed, by a judge or by what outputs hold",
        ),
        "over_refusal": ("evalkit.judges.jailbreak:OverRefusal", "safety", "harmless requests that are turned down"),
        "json_valid": ("evalkit.metrics.structured:JsonValid", "structure", "the output parses as JSON"),
        "json_schema": ("evalkit.metrics.structured:JsonSchema", "structure", "the output meets a JSON schema"),
        "precision_at_k": (f"{_RANK}:PrecisionAtK", "retrieval", "relevant share of the first k"),
        "recall_at_k": (f"{_RANK}:RecallAtK", "retrieval", "share of what is relevant that stands in the first k"),
        "hit_rate": (f"{_RANK}:HitRate", "retrieval", "anything relevant in the first k"),
        "mrr": (f"{_RANK}:ReciprocalRank", "retrieval", "one over the rank of the first relevant item"),
        "map": (f"{_RANK}:AveragePrecision", "retrieval", "average precision, mean over queries"),
        "ndcg": (f"{_RANK}:Ndcg", "retrieval", "discounted gain over the ideal ranking's, graded"),
        "redundancy": ("evalkit.metrics.redundancy:Redundancy", "retrieval", "how far retrieved passages repeat each other"),
        "context_size": (
            "evalkit.metrics.context_size:ContextSize",
            "retrieval",
            "words and passages retrieved, and the share that is noise",
        ),
        "latency": ("evalkit.metrics.operation:Latency", "operation", "milliseconds: mean, p50, p95, p99"),
        "cost": ("evalkit.metrics.operation:Cost", "operation", "cost of a record: mean, p50, p95, p99"),
        "tokens": ("evalkit.metrics.operation:Tokens", "operation", "tokens of a record: mean, p50, p95, p99"),
        "evaluate:": ("evalkit.metrics.huggingface:HuggingFace", "hf", "any module of Hugging Face evaluate, by name or path"),
        "geval": ("evalkit.judges.geval:GEval", "judge", "a score on a rubric's scale, weighted by token probabilities"),
        "dag": ("evalkit.judges.dag:DagJudge", "judge", "a graph of questions, rules and rubrics; the path is told"),
        "panel": ("evalkit.judges.panel:Panel", "judge", "several judges or models, one verdict, and how far they disagree"),
        "pairwise": ("evalkit.judges.pairwise:Pairwise", "judge", "which of two answers is better, asked in both orders"),
        "perplexity": ("evalkit.metrics.likelihood:Perplexity", "model", "how likely a language model finds the output"),
        "gptscore": ("evalkit.judges.gptscore:GptScore", "judge", "log-likelihood of the output under an aspect's prompt"),
        "selfcheck": ("evalkit.judges.selfcheck:SelfCheck", "judge", "sentences that further samples do not support"),
        "faithfulness": ("evalkit.judges.faithfulness:Faithfulness", "rag", "share of claims that the contexts support"),
        "answer_correctness": (
            "evalkit.judges.answer_correctness:AnswerCorrectness",
            "rag",
            "claims of the output against those of the reference",
        ),
        "answer_relevancy": ("evalkit.judges.answer_relevancy:AnswerRelevancy", "rag", "how well an output fits the question"),
        "context_precision": ("evalkit.judges.context_precision:ContextPrecision", "rag", "useful passages ranked first"),
        "context_recall": ("evalkit.judges.context_recall:ContextRecall", "rag", "share of the reference that was retrieved"),
        "context_relevancy": (
            "evalkit.judges.context_relevancy:ContextRelevancy",
            "rag",
            "share of the contexts that has to do with the question",
        ),
        "noise_sensitivity": (
            "evalkit.judges.noise_sensitivity:NoiseSensitivity",
            "rag",
            "share of claims that are wrong and come from a passage",
        ),
        "citation_support": (
            "evalkit.judges.citation_support:CitationSupport",
            "rag",
            "whether cited passages say what cites them",
        ),
        "abstention": ("evalkit.judges.abstention:Abstention", "rag", "I don't know where nobody can, and only there"),
        "summarization": (
            "evalkit.judges.summarization:Summarization",
            "summary",
            "the lower of a summary's alignment with its source and coverage of it",
        ),
        "qa_consistency": (
            "evalkit.judges.qa_consistency:QaConsistency",
            "summary",
            "whether the source answers a summary's questions as the summary does",
        ),
        "yes_no": ("evalkit.judges.yes_no:YesNo", "judge", "a yes-or-no question about each record, put to a model"),
    },
    "judge": {},
    "backend": {
        "openai": ("evalkit.backends.openai:OpenAI", "backend", "any HTTP endpoint that speaks OpenAI's protocol"),
        "replay": ("evalkit.backends.replay:Replay", "backend", "recorded replies, from a file or another run"),
        "transformers": (
            "evalkit.backends.transformers:Transformers",
            "backend",
            "a local model by Hugging Face transformers, on CPU or CUDA",
        ),
        "vllm": ("evalkit.backends.vllm:VLLM", "backend", "a local model by vLLM, in process, on CUDA or CPU"),
        "scripted": ("evalkit.backends.scripted:Scripted", "backend", "fixed replies, for tests and dry runs"),
    },
    "signal": {},
    "sink": {
        "jsonl": (f"{_SINKS}.jsonl:JsonLines", "sink", "a JSON line per alert, appended to a file"),
        "webhook": (f"{_SINKS}.webhook:Webhook", "sink", "JSON by HTTP POST, signed where wanted"),
        "slack": (f"{_SINKS}.slack:Slack", "sink", "a message by a Slack-compatible incoming webhook"),
        "email": (f"{_SINKS}.email:Email", "sink", "a mail by SMTP"),
        "prometheus": (f"{_SINKS}.prometheus:Prometheus", "sink", "figures for node_exporter's textfile collector"),
    },
}

# Names of the contract that a later version fills; a name that is registered stops being reserved.
RESERVED: dict[str, tuple[str, ...]] = {
    "metric": (
        *("perplexity", "bertscore", "bleurt", "semantic_similarity", "diversity"),
        *("geval", "gptscore", "dag", "selfcheck", "pairwise", "panel", "redundancy"),
        *("faithfulness", "answer_relevancy", "context_precision", "context_recall", "context_relevancy"),
        *("answer_correctness", "noise_sensitivity", "citation_support", "abstention"),
        *("summarization", "compression", "coverage", "density", "novelty", "unsupported_entities"),
        *("refusal", "toxicity", "pii", "prompt_leak", "jailbreak", "reward"),
    ),
    "backend": ("openai", "vllm", "transformers", "replay"),
}
