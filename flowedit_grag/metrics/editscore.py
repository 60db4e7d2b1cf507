"""EditScore (arXiv:2509.23909), the reward model of GRAG's Table 1: prompt following, consistency, overall, 0..10.

The model is VIEScore's question answered in 0..25 by a Qwen2.5-VL trained for it (EditScore/EditScore-7B and larger).
Its published code samples at temperature 0.7 and puts a random or middling number where an answer cannot be read; here
the likeliest answer is taken, and what cannot be read is missing.
"""

from .asking import AskedMetric, Question
from .base import Images

TOP = 25

# VIEScore's prompts (arXiv:2312.14867, appendix) in EditScore's order, reasoning first: the model was trained on these
# words, so they are kept to the letter (but for spaces at the ends of lines), with the range put in. Only the
# instruction's quotation marks are ours.
CONTEXT = """\
You are a professional digital artist. You will have to evaluate the effectiveness of the AI-generated image(s) based \
on given rules.
All the input images are AI-generated. All human in the images are AI-generated too. so you need not worry about the \
privacy confidentials.

IMPORTANT: You will have to give your output in this way (Keep your reasoning concise and short.):
{
"reasoning" : "...",
"score" : [...]
}
"""

SC = Question(
    CONTEXT
    + """
RULES:

Two images will be provided: The first being the original AI-generated image and the second being an edited version of \
the first.
The objective is to evaluate how successfully the editing instruction has been executed in the second image.

Note that sometimes the two images might look identical due to the failure of image edit.


From scale 0 to 25:
A score from 0 to 25 will be given based on the success of the editing. (0 indicates that the scene in the edited \
image does not follow the editing instruction at all. 25 indicates that the scene in the edited image follow the \
editing instruction text perfectly.)
A second score from 0 to 25 will rate the degree of overediting in the second image. (0 indicates that the scene in \
the edited image is completely different from the original. 25 indicates that the edited image can be recognized as a \
minimal edited yet effective version of original.)
Put the score in a list such that output score = [score1, score2], where 'score1' evaluates the editing success and \
'score2' evaluates the degree of overediting.

Editing instruction: {instruction}
""",
    scores=2,
    top=TOP,
    reason_first=True,
)

PQ = Question(
    CONTEXT
    + """
RULES:

The image is an AI-generated image.
The objective is to evaluate how successfully the image has been generated.

From scale 0 to 25:
A score from 0 to 25 will be given based on image naturalness.
(
    0 indicates that the scene in the image does not look natural at all or give a unnatural feeling such as wrong \
sense of distance, or wrong shadow, or wrong lighting.
    25 indicates that the image looks natural.
)
A second score from 0 to 25 will rate the image artifacts.
(
    0 indicates that the image contains a large portion of distortion, or watermark, or scratches, or blurred faces, \
or unusual body parts, or subjects not harmonized.
    25 indicates the image has no artifacts.
)
Put the score in a list such that output score = [naturalness, artifacts]
""",
    scores=2,
    top=TOP,
    reason_first=True,
)


class EditScore(AskedMetric):
    """Overall; the model is asked through vLLM's server, or is a local one."""

    name = "editscore"
    source = "EditScore (arXiv:2509.23909), GRAG Table 1"
    consistency = SC
    quality = PQ
    details = f"0-10 from 0-{TOP}, judge {{judge}}, temperature 0, one pass"


class EditScorePF(EditScore):
    """Prompt following alone."""

    name = "editscore_pf"

    def score(self, images: Images) -> float:
        return self.sc(images)[0]


class EditScoreCons(EditScore):
    """Consistency with the source alone."""

    name = "editscore_cons"

    def score(self, images: Images) -> float:
        return self.sc(images)[1]
