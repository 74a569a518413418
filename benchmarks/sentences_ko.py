"""Korean templates of the generated documents.

``{names}`` stands for a part of that kind; ``[은/는]`` for whichever particle fits the word before.
"""

from __future__ import annotations

SENTENCES = (
    "{companies}의 {names} 담당자[은/는] 분기가 끝나기 전에 {phrases}[을/를] 요청했습니다.",
    "{cities} 사무소는 {companies}[과/와] 계약을 맺은 뒤 {plans}[을/를] 추진할 예정입니다.",
    "{date}까지 {companies}의 {jobs}[이/가] 미해결 질문 목록을 직접 관리합니다.",
    "{cities}에서 분당 요청 {number}건을 측정했으며, 이는 작년보다 {percent} 많은 수치입니다.",
    "서명한 신청서는 {addresses}에 있는 {companies}[으로/로] 보내 주시기 바랍니다.",
    "{names} 씨는 {phrases}[을/를] 고객 {number}명과 함께 시험했다고 적었습니다.",
    "항목이 {number}개를 넘으면 무엇을 미룰지 {names} 씨가 결정합니다.",
    "{plans}[은/는] 두 번 할 필요가 없습니다. 다시 시도해도 결과는 같습니다.",
    "새로운 {phrases}[은/는] {companies}[이/가] {date}에 납품한 것을 대신합니다.",
    "{cities}에서 온 {jobs}[은/는] 추가 예산 없이 {plans}[을/를] 이룬 과정을 설명했습니다.",
    "{date} 회의는 미결 사항 {number}건을 남겼고, 대부분 {names} 씨가 맡았습니다.",
    "{companies}[과/와] 비교하면 {cities} 팀은 검토 시간을 {percent} 적게 씁니다.",
    "{plans}[을/를] 시작하기 전에 설정을 복사하고 {names} 씨에게 알려 주세요.",
    "보고서는 {phrases}[이/가] 일을 덜어 줄 곳을 {number}군데 꼽았습니다.",
    "{cities}에서는 모든 {jobs}[이/가] {date}까지 새 안내서를 받습니다.",
    "{companies}[은/는] 예전 사무실이 좁아서 {addresses}[으로/로] 이전했습니다.",
    "{names} 씨가 {phrases}[이라고/라고] 부르는 것은 다른 곳에서는 점검표라고 합니다.",
    "처음 답변 {number}건은 {cities}에서 왔고 나머지는 {date} 이후에 도착했습니다.",
    "{names} 씨와 {jobs}[이/가] 원인을 찾는 데 {number}시간이 걸렸습니다.",
    "가격이 {percent} 올라서 {companies}[은/는] {plans}[을/를] 더 작은 단계로 나눕니다.",
    "{phrases}에 관한 문의는 안내 창구가 아니라 {names} 씨에게 해 주십시오.",
    "{cities}의 보관소에는 상자가 {number}개 있으며 그중 {percent}에는 이름표가 없습니다.",
    "{date}에 {companies}[은/는] {plans}[을/를] 약속하고 결과를 공개하기로 했습니다.",
    "{addresses}[을/를] 방문하려면 {jobs}[과/와] 미리 약속해야 합니다.",
    "두 기록이 서로 다르면 {date} 이전에 작성된 기록을 따릅니다.",
    "각 문서에는 번호와 날짜, 그리고 확인한 {jobs}의 이름이 들어 있습니다.",
    "{names} 씨는 새로 온 동료를 위해 {phrases}에 관한 메모를 남겨 두었습니다.",
    "예산의 {percent}[은/는] {plans}에 쓰이고 나머지는 다음 해로 넘어갑니다.",
)
LEADS = (
    "{date}에 {names} 씨가 {names2} 씨에게서 이 부분을 넘겨받았으며, 남은 일은 {number}건입니다.",
    "이 절은 {date}에 {cities}에서 {names} 씨가 마지막으로 확인했습니다. 문서 번호 {number}.",
    "{companies}[과/와] {names} 씨는 다음 {number}가지에 합의했습니다.",
    "참조 {number}: {names}, {jobs}, {companies}, {cities}.",
    "{date} 기준으로 {names} 씨가 센 사례는 {number}건이며 그중 {percent}[이/가] 끝났습니다.",
    "{names} 씨는 {names2} 씨에게 사례 {number}번을 다음과 같이 설명했습니다.",
)
HEADINGS = (
    "{companies}의 기대 사항",
    "{cities}에서 온 소식",
    "{plans}[을/를] 하는 방법",
    "{phrases}",
    "{jobs}의 업무",
    "{names} 씨를 위한 절차",
    "{cities}의 미해결 질문",
    "{companies} 결과",
)
TITLES = (
    "{phrases}: 안내서 {number}",
    "{companies} 보고서 {number}",
    "{date} {cities} 회의록",
    "{plans}[을/를] 위한 지침 {number}",
    "업무 편람 {number}: {jobs}",
)
LINKS = (
    "자세한 내용은 [{phrases}](https://{host}/{slug}) 문서를 보십시오. 문의: <{user}@{host}>",
    "신청서: <https://{host}/{slug}>. 담당: [{names}](https://{host}/people/{user})",
    "비교를 위해 [메모 {number}](../{slug}.md)의 이전 판도 보관합니다.",
)
COLUMNS = ("이름", "역할", "지역", "건수", "기한")
COMMENTS = ("{companies} 목록을 확인한다", "{names} 씨의 요청", "{cities}에서 사용한다")
TAGS = ("보고서", "안내서", "회의록", "편람", "계획", "예산", "계약", "지원")
