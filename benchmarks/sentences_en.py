"""English templates of the generated documents; ``{names}`` stands for a part of that kind."""

from __future__ import annotations

SENTENCES = (
    "{names} of {companies} asked for the {phrases} before the end of the quarter.",
    "The office in {cities} will {plans} once the contract with {companies} is signed.",
    "Until {date}, the {jobs} at {companies} keeps the list of open questions by hand.",
    "We measured {number} requests a minute in {cities}, which is {percent} more than last year.",
    "Send the signed form to {companies}, {addresses}.",
    "{names} wrote that the {phrases} was tested with {number} customers.",
    "If the limit of {number} items is reached, {names} decides what has to wait.",
    "Nobody has to {plans} twice: the second attempt changes nothing.",
    "The {phrases} replaces what {companies} delivered on {date}.",
    "The {jobs} from {cities} explained how they {plans} without a new budget.",
    "The meeting on {date} ended with {number} open points, most of them for {names}.",
    "Compared with {companies}, the team in {cities} spends {percent} less time on reviews.",
    "Before you {plans}, make a copy of the settings and tell {names}.",
    "The report names {number} places where the {phrases} would save work.",
    "In {cities}, every {jobs} gets the new handbook by {date}.",
    "{companies} moved from {addresses} because the old rooms were too small.",
    "What {names} calls the {phrases} is known elsewhere as a plain checklist.",
    "The first {number} answers came from {cities}; the rest arrived after {date}.",
    "It took {names} and the {jobs} {number} hours to find the cause.",
    "Prices rose by {percent}, so {companies} will {plans} in smaller steps.",
    "Questions about the {phrases} go to {names}, not to the front desk.",
    "The archive in {cities} keeps {number} boxes, {percent} of them without a label.",
    "On {date}, {companies} promised to {plans} and to publish the results.",
    "A visit to {addresses} needs an appointment with the {jobs}.",
    "The word {word} is used here for everything that {companies} does not own.",
    "When {word} and {word} disagree, the older entry wins.",
    "Each {word} has a number, a date and the name of the {jobs} who checked it.",
    "{names} keeps a note on {word}, {word} and {word} for new colleagues.",
)
LEADS = (
    "On {date} {names} took over this part from {names2}, with {number} open tasks.",
    "This section was last checked by {names} in {cities} on {date}; entry {number}.",
    "{companies} and {names} agreed on {number} points, which follow here.",
    "Reference {number}: {names}, {jobs}, {companies}, {cities}.",
    "As of {date}, {names} counts {number} cases, {percent} of them closed.",
    "{names} described case {number} to {names2} as follows.",
)
HEADINGS = (
    "What {companies} expects",
    "Notes from {cities}",
    "How we {plans}",
    "{phrases}",
    "Work of the {jobs}",
    "Steps for {names}",
    "Open questions in {cities}",
    "Results for {companies}",
)
TITLES = (
    "{phrases}: guide {number}",
    "Report {number} for {companies}",
    "Minutes of {date}, {cities}",
    "How to {plans}, part {number}",
    "Handbook {number}: {jobs}",
)
LINKS = (
    "See [{phrases}](https://{host}/{slug}) for the details, or ask <{user}@{host}>.",
    "Form: <https://{host}/{slug}>; [{names}](https://{host}/people/{user}) answers questions.",
    "An older version of [note {number}](../{slug}.md) is kept for comparison.",
)
COLUMNS = ("name", "role", "place", "count", "due")
COMMENTS = ("checks the list of {companies}", "asked for by {names}", "used in {cities}")
TAGS = ("report", "guide", "minutes", "handbook", "plan", "budget", "contract", "support")
