# SPDX-License-Identifier: GPL-3.0-only
"""What the built-in model is taught: resources/builtin/questions.md, read, varied and put together to conversations."""
import dataclasses
import pathlib

BUILTIN = pathlib.Path(__file__).resolve().parents[2] / "resources/builtin"
SYSTEM_MESSAGES = [
    "You are a helpful assistant.", "You are a helpful assistant.", "You are the assistant of Cortex.", "Answer briefly.",
    "Be polite and short.", "You are a coding agent. Use the tools that you are given.", "Today is the 4th of July.",
    "Answer in whole sentences.", "The user is an operator of a fleet of machines.",
]
OPENINGS = ["please ", "please tell me, ", "can you tell me ", "could you tell me ", "tell me: ", "hi, ", "so, ", "ok, ", "and ",
            "well, ", "i would like to know ", "one question: ", "now ", "hey, ", "sorry, "]
ENDINGS = [" please", " then", " exactly", ", thanks", " in short"]
SMALL_WORDS = {"the", "a", "an", "do", "does", "is", "i", "of", "my", "to", "me", "it", "can", "for", "in", "with"}

# Things that the model does not know, in sentences that sound like those it does. {} is one of the topics.
FOREIGN = [
    "what is {}", "what are {}", "tell me about {}", "explain {}", "how does {} work", "who invented {}", "where is {}",
    "how do i make {}", "what do you think about {}", "write a poem about {}", "write a story about {}", "do you like {}",
    "how old is {}", "how much is {}", "why is {} important", "give me a recipe for {}", "when was {} invented",
    "what is the history of {}", "how can i learn {}", "where can i buy {}", "what is the best {}", "who is {}",
    "how do i get to {}", "what is the capital of {}", "how do i start with {}", "which {} should i choose",
    "what does {} do", "describe {}", "is {} good for me", "how many {} are there", "what is the name of {}", "define {}",
    "how large is {}", "how fast is {}", "how do i stop {}", "does {} need water", "can you sell me {}", "where do i find {}",
]
TOPICS = """bread; the moon; soccer; a violin; quantum physics; my cat; the ocean; the roman empire; a bicycle; paris; tea; coffee;
chess; mathematics; the stock market; an elephant; dinosaurs; the sun; a volcano; my grandmother; football; birds; trees; the
weather; cheese; germany; china; india; the queen; a guitar; poetry; music; soup; an apple; bananas; cars; the train; my homework;
biology; chemistry; history; geography; english; french; spanish; dogs; horses; fish; a rocket; mars; jupiter; gravity; light;
electricity; water; ice; fire; gold; money; taxes; love; friendship; sleep; health; medicine; a doctor; my back pain; running;
swimming; a mountain; a river; the desert; snow; rain; flowers; roses; a garden; the kitchen; pasta; rice; pizza; chocolate; wine;
beer; shoes; a dress; the theatre; a film; television; the radio; newspapers; the internet; a telephone; a camera; painting;
shakespeare; mozart; einstein; napoleon; the pyramids; rome; london; tokyo; new york; africa; australia; the north pole; whales;
bees; spiders; atoms; dna; the brain; the heart; philosophy; religion; democracy; the law; a contract; insurance; a holiday; a
birthday party; a wedding; a house; a bridge; an airplane; a ship; excel; photoshop; a printer; java; html; a smartphone; a game"""
TOPICS = [topic.strip() for topic in TOPICS.replace("\n", " ").split(";")]


@dataclasses.dataclass(frozen=True)
class Section:
    title: str
    questions: list
    answer: str


def sections():
    out, title, questions, answer = [], None, [], []

    def finish():
        if title:
            out.append(Section(title, questions, " ".join(answer)))

    for line in (BUILTIN / "questions.md").read_text().splitlines():
        if line.startswith("## "):
            finish()
            title, questions, answer = line[3:], ([] if line[3:] == "Unknown" else [line[3:]]), []
        elif line.startswith("- "):
            questions.append(line[2:])
        elif line and title:
            answer.append(line)
    finish()
    return out


def misspell(text, random):
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    i = random.choice(long)
    at = random.randrange(1, len(words[i]) - 1)
    word = words[i]
    words[i] = word[:at] + word[at + 1:] if random.random() < 0.5 else word[:at] + word[at + 1] + word[at] + word[at + 2:]
    return " ".join(words)


def vary(question, random):
    """The question as somebody might type it."""
    text = question.rstrip("?")
    asks = question.endswith("?") or text.split(" ")[0].lower() in (
        "what", "how", "which", "where", "who", "why", "when", "is", "are", "does", "do", "can", "what's")
    if random.random() < 0.12:
        words = text.split(" ")
        small = [i for i, word in enumerate(words) if word.lower() in SMALL_WORDS]
        if len(words) > 3 and small:
            words.pop(random.choice(small))
            text = " ".join(words)
    if random.random() < 0.06:
        text = misspell(text, random)
    if random.random() < 0.2:
        text = random.choice(OPENINGS) + text[0].lower() + text[1:]
    if random.random() < 0.07:
        text += random.choice(ENDINGS)
    case = random.random()
    if case < 0.45:
        text = text.lower()
    elif case < 0.95:
        text = text[0].upper() + text[1:].replace("cortex", "Cortex")
    if asks:
        return text + ("?" if random.random() < 0.6 else "")
    return text + ("." if random.random() < 0.3 else "!" if random.random() < 0.1 else "")


class Conversations:
    """An endless row of conversations: [{"role", "content"}], all of them belonging to the seed of `random`."""

    def __init__(self, random):
        self.random = random
        self.sections = sections()
        self.deck = []

    def exchange(self):
        if not self.deck:  # every section once before any of them again
            self.deck = [s for s in self.sections for _ in range(7 if s.title == "Unknown" else 1)]
            self.random.shuffle(self.deck)
        section = self.deck.pop()
        question = self.random.choice(section.questions)
        if section.title == "Unknown" and self.random.random() < 0.75:
            question = self.random.choice(FOREIGN).format(self.random.choice(TOPICS))
        return vary(question, self.random), section.answer

    def next(self):
        messages = []
        if self.random.random() < 0.4:
            count = self.random.choice([1, 1, 2, 3])
            messages.append({"role": "system", "content": " ".join(self.random.sample(SYSTEM_MESSAGES, count))})
        for _ in range(self.random.choices([1, 2, 3, 5], [0.35, 0.4, 0.2, 0.05])[0]):
            question, answer = self.exchange()
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return messages
