"""Which English words a region may use, and what each stands for. Word lists and their lookups; no grammar.

A noun is listed as a subject only if it is what photos are taken of. What a subject wears, holds, has as a part or
stands beside (helmet, spoon, wheel, flag) is not, for no salience can tell it from the rest.
"""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PEOPLE = _set(
    "person human man woman boy girl child kid baby toddler lady gentleman guy bride groom couple friend "
    "family player dancer runner athlete astronaut soldier model mother father mom dad mum grandmother "
    "grandfather grandma grandpa son daughter brother sister wife husband cyclist rider surfer skier singer "
    "musician worker doctor nurse chef tourist hiker climber driver farmer fisherman teacher student teenager "
    "him her me us them portrait"
)

ANIMALS = _set(
    "animal pet cat kitten dog puppy bird horse pony foal donkey cow calf bull sheep lamb goat pig rabbit "
    "hare bunny fox wolf bear deer moose tiger lion leopard cheetah panther elephant rhino hippo giraffe "
    "zebra camel llama monkey ape gorilla chimpanzee panda koala kangaroo squirrel chipmunk mouse rat hamster "
    "hedgehog raccoon otter beaver bat duck duckling swan goose chicken hen rooster chick turkey owl eagle "
    "hawk falcon parrot penguin pigeon dove crow raven sparrow robin gull seagull heron stork flamingo "
    "peacock ostrich hummingbird fish goldfish shark whale dolphin seal turtle tortoise frog toad lizard "
    "gecko iguana chameleon snake crocodile alligator butterfly moth bee wasp ant insect beetle ladybird "
    "ladybug spider dragonfly grasshopper snail crab lobster octopus jellyfish starfish dinosaur dragon"
)

VEHICLES = _set(
    "vehicle car automobile truck lorry van bus coach tractor train tram locomotive bicycle bike motorcycle "
    "motorbike moped scooter boat ship sailboat yacht ferry canoe kayak submarine plane airplane aeroplane "
    "aircraft jet glider helicopter drone rocket spaceship spacecraft shuttle balloon taxi cab ambulance jeep "
    "carriage wagon cart"
)

TABLEWARE = _set("cup mug glass goblet bottle vase bowl plate jar jug teapot teacup pot pan kettle thermos")

ON_SAUCERS = _set("cup mug teacup")
"""Stand on something that belongs to the same subject, from which their shape tells them only roughly."""

FOOD = _set(
    "food meal dish cake cupcake pizza burger hamburger sandwich bread loaf bun bagel croissant pie pancake "
    "waffle cookie donut doughnut salad soup steak sushi dessert icecream fruit apple pear banana lemon lime "
    "peach plum cherry strawberry raspberry melon watermelon pineapple mango kiwi avocado tomato potato "
    "pepper carrot onion pumpkin cucumber corn egg cheese"
)

PLANTS = _set(
    "flower blossom bloom bouquet rose tulip sunflower daisy orchid lily poppy iris lotus dandelion plant "
    "houseplant cactus mushroom toadstool leaf tree bush"
)

BUILDINGS = _set(
    "building house home hut cabin cottage barn church chapel cathedral mosque temple pagoda shrine castle "
    "palace tower lighthouse windmill skyscraper monument statue sculpture fountain bridge tent"
)

OBJECTS = _set(
    "chair armchair stool sofa couch bench lamp lantern candle clock watch camera phone smartphone telephone "
    "laptop computer keyboard television radio book guitar piano violin trumpet drum ball football basketball "
    "toy doll robot teddy shoe boot sneaker bag handbag backpack suitcase umbrella sign box basket bucket "
    "barrel machine tool gift trophy coin"
)

MAIN = _set("subject motif object product item thing foreground")
BACKGROUND = _set("background backdrop surroundings surrounding scenery")
SKY = _set("sky heaven heavens")
FACES = _set("face")
EYES = _set("eye")
EVERYTHING = _set("everything all anything image picture photo photograph")

GROUND: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_set("ground floor table tabletop desk surface road street path pavement sidewalk"), ()),
    **dict.fromkeys(_set("grass lawn meadow"), ("green", "yellow", "brown")),
    **dict.fromkeys(_set("snow ice"), ("white", "gray", "blue", "cyan", "bright")),
    **dict.fromkeys(_set("sand beach desert"), ("yellow", "orange", "brown", "white", "gray")),
    **dict.fromkeys(_set("water sea ocean lake river"), ("blue", "cyan", "green", "gray", "dark")),
}
"""What lies below, and the colours of which one must be most of it (none: any)."""

COLOURS = {
    **{name: name for name in _set("red orange yellow green cyan blue purple pink brown black white gray")},
    "grey": "gray",
    "silver": "gray",
    "golden": "yellow",
    "gold": "yellow",
    "turquoise": "cyan",
    "teal": "cyan",
    "violet": "purple",
    "magenta": "pink",
    "beige": "brown",
    "tan": "brown",
    "navy": "blue",
}
TONES = {
    **dict.fromkeys(_set("dark darker darkest shadow shadows shaded"), "dark"),
    **dict.fromkeys(_set("bright brighter brightest light lighter lightest highlight highlights"), "bright"),
}
PARTS = _set(
    "part parts area areas region regions thing things stuff bit bits pixel pixels tone tones color colors "
    "colour colours place places spot spots zone zones one ones section sections"
)
"""Nouns that add nothing to a colour: "the red parts"."""

ARTICLES = _set("the a an my your his her its our their this that these those some")
PRAISE = _set(
    "little small tiny big large huge tall short old young new main whole entire only single cute beautiful "
    "pretty lovely nice central salient important"
)
"""Adjectives that a picture with one subject needs no proof of."""

CONTAINERS = TABLEWARE | _set("bouquet basket box bucket")
"""In "a … of something" the container is meant, whatever is in it."""
MEASURES = _set("bunch slice piece group pair lot")
"""In "a … of something" the something is meant."""

COMPANIONS = _set("saucer rider passenger owner")
"""Nouns that only together with a subject mean something that can be found: "the cup and saucer"."""

COMPOUNDS = {
    "ice cream": "icecream",
    "teddy bear": "teddy",
    "guinea pig": "hamster",
    "hot air balloon": "balloon",
    "space shuttle": "shuttle",
    "fire truck": "truck",
    "fire engine": "truck",
    "police car": "car",
    "race car": "car",
    "racing car": "car",
    "sports car": "car",
    "steam engine": "locomotive",
    "cell phone": "phone",
    "mobile phone": "phone",
    "rubber duck": "duck",
    "polar bear": "bear",
}

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "leaves": "leaf",
    "loaves": "loaf",
    "wolves": "wolf",
    "calves": "calf",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
}

SUBJECTS = PEOPLE | ANIMALS | VEHICLES | TABLEWARE | FOOD | PLANTS | BUILDINGS | OBJECTS | MAIN


def singular(noun: str) -> str:
    """The listed noun that this is a form of ("puppies" → "puppy"), or the word itself."""
    if noun in SUBJECTS or noun in COLOURS:
        return noun
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun == "eyes":
        return "eye"
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("s", "")):
        stem = noun.removesuffix(ending) + instead
        if noun.endswith(ending) and stem in SUBJECTS:
            return stem
    return noun
