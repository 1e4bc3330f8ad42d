/**
 * Sentence templates of the generated part of train.jsonl. `{list}` takes a word drawn from a list of words.ts, in the sentence's own language;
 * `{list.form}` takes another form of the same word. One word is drawn for each list that a template names.
 */
export interface Template {
  readonly ja: string;
  readonly en: string;
}

const pairs = `
  {past}、{person}は{bought}を買ってきた。 | {person} went out and bought {bought} {past}.
  今、{room}で{task.te}いるのは{person}です。 | It is {person} who is {task.ing} in {room} now.
  {person}は{ride}で{work}に通っている。 | {person} goes to {work} {ride}.
  {person}は{food}が大好きだ。 | {person} loves {food}.
  {person}は{food}を食べようとしない。 | {person} will not eat {food}.
  {person}に{thing}を借りた。 | I borrowed {thing.a} from {person.object}.
  {person}から{letter}が届いた。 | {letter} came from {person.object}.
  {person}は{skill}のが上手です。 | {person} is good at {skill}.
  {person}は{city}に住んでいます。 | {person} lives in {city}.
  {young}は将来{job}になりたいそうだ。 | {young} wants to become {job} in the future.
  あの{color}{item}は{person}のものだ。 | That {color} {item} belongs to {person.object}.
  {past}、{person}と{outing}へ行った。 | I went to {outing} with {person.object} {past}.
  {person}に{present}をもらいました。 | I got {present} from {person.object}.
  {person}に{present}をあげるつもりだ。 | I am going to give {present} to {person.object}.
  今日の{person}は{feeling}そうだ。 | {person} looks {feeling} today.
  {person}は{clothes}を着ている。 | {person} is wearing {clothes}.
  {person}は{age}のころから{can}ことができた。 | {person} could {can} from the age of {age}.
  {person}ほど{kind}人はいない。 | Nobody is as {kind} as {person.object}.
  {person}が帰ってきた時、私は{task.te}いた。 | When {person} came home, I was {task.ing}.
  {person}を待っている間に、{waiting}。 | I {waiting} while I was waiting for {person.object}.
  雨なのに{person}は{outdoors}に行った。 | {person} went {outdoors} even though it was raining.
  {person}はさっきからずっと{task.te}いる。 | {person} has been {task.ing} for a while.
  {person}は{since}から{absent}で休んでいる。 | {person} has been absent with {absent} since {since}.
  {person}に{message}と伝えてください。 | Please tell {person.object} that {message}.
  {person}が{habit}のはいつものことだ。 | {person} always {habit}.
  {person}の誕生日は{month}です。 | {person.own} birthday is in {month}.
  {shop}は何時に開きますか。 | What time does {shop} open?
  {sight}へはどう行けばいいですか。 | How do I get to {sight}?
  {goods}はどこで買えますか。 | Where can I buy {goods}?
  {dish}を食べたことがありますか。 | Have you ever eaten {dish}?
  {sport}は好きですか。 | Do you like {sport}?
  {day}は何をする予定ですか。 | What are you planning to do {day}?
  この{ware}はいくらですか。 | How much is this {ware}?
  {mischief.ja}のは誰だ。 | Who was it that {mischief}?
  どうして{did}の？ | Why did you {did}?
  ここで{act.te}もいいですか。 | May I {act} here?
  私の{thing}を見なかった？ | Have you seen my {thing}?
  {drink}をもう一杯いかがですか。 | Would you like another cup of {drink}?
  {dish}と{snack}では、どちらが好きですか。 | Which do you like better, {dish} or {snack}?
  もう{chore.ta}？ | Have you {chore.done} yet?
  {sight}まで{ride}でどのくらいかかりますか。 | How long does it take to get to {sight} {ride}?
  ちょっと{thing}を貸してくれない？ | Can you lend me your {thing} for a moment?
  {remember}のを忘れないで。 | Don't forget to {remember}.
  {indoors}では{noisy}ないでください。 | Please do not {noisy} {indoors}.
  次の{corner}を{side}に曲がってください。 | Please turn {side} at the next {corner}.
  {dish}と{drink}をください。 | {dish} and {drink}, please.
  {chore.dict}のを手伝ってくれませんか。 | Could you help me {chore}?
  {sight}に着いたら{contact}。 | Please {contact} when you get to {sight}.
  寝る前に{care}なさい。 | {care} before you go to bed.
  危ないから{danger}ないで。 | It is dangerous, so do not {danger}.
  {dish}の作り方を教えて。 | Teach me how to make {dish}.
  {day}は{weather}らしい。 | They say it will be {weather} {day}.
  毎年{season}が来ると{nature}。 | Every year when {season} comes, {nature}.
  {recent}は{chilly}て、{stay}。 | It was so {chilly} {recent} that {stay}.
  {since}からずっと{falling}が降っている。 | It has been {falling} since {since}.
  {sight}まで{ride}で{minutes}かかる。 | It takes {minutes} to get to {sight} {ride}.
  うちでは{pet}飼っています。 | We have {pet} at home.
  毎朝{hour}に{routine}。 | I {routine} at {hour} every morning.
  {event}は{hour}に始まる。 | {event} starts at {hour}.
  この{building}は{years}前に建てられた。 | This {building} was built {years} ago.
  この{ware}は{price}で買った。 | I bought this {ware} for {price}.
  {event}まであと{days}だ。 | There are {days} left until {event}.
  {hour}に{sight}の前で会おう。 | Let's meet in front of {sight} at {hour}.
  {creature}より{animal}のほうが{trait}と思う。 | I think {animal} are {trait} than {creature}.
  {subject}は{study}ほど難しくない。 | {subject} is not as difficult as {study}.
  これは今まで{best}だ。 | This is {best}.
  いつか{dream.masu}たい。 | I want to {dream} someday.
  {language}が話せるようになりたい。 | I want to be able to speak {language}.
  {day}までに{duty}なければならない。 | I have to {duty} by {day}.
  よかったら一緒に{fun.masu}ませんか。 | Would you like to {fun} with me?
  {when}、みんなで{fun.masu}ましょう。 | Let's all {fun} together {when}.
  {day}は{fun.dict}つもりだ。 | I am going to {fun} {day}.
  休みの日に{fun.dict}のが好きだ。 | I like {fun.ing} on my days off.
  疲れているなら{rest}ほうがいい。 | If you are tired, you should {rest}.
  そんなに{rush}なくてもいいよ。 | You do not have to {rush} so much.
  私はまだ{dream.ta}ことがない。 | I have never {dream.done}.
  {recent}は忙しくて、{skip}。 | I was so busy {recent} that I could not {skip}.
  もし{condition}、{plan}。 | If {condition}, {plan}.
  今日は{reason}から、{result}。 | {reason} today, so {result}.
  {tidy}たら、{found}が出てきた。 | When I {tidy}, I found {found}.
  {on.ja}時に{thing}を落とした。 | I dropped my {thing} while {on}.
  {thing}を{outing}に忘れてきた。 | I left my {thing} at {outing}.
  {spot}に{thing}があるはずだ。 | There should be {thing.a} {spot}.
  {spot}で{pets}が寝ている。 | {pets} is sleeping {spot}.
  {building}は{landmark}にあると聞きました。 | I heard that the {building} is {landmark}.
  この町には{sights}がたくさんある。 | There are many {sights} in this town.
  {outing}は{crowd}でいっぱいだった。 | {outing} was full of {crowd}.
  {machine}が壊れて動かない。 | {machine} is broken and does not work.
  {machine}の使い方がわからない。 | I do not know how to use {machine}.
  この{snack}は{taste}ておいしい。 | This {snack} is {taste} and delicious.
  この{wear}は私には{size}すぎる。 | This {wear} is too {size} for me.
  {exam}は思ったより{level}。 | {exam} was {level} than I thought.
  {news}と聞いて驚いた。 | I was surprised to hear that {news}.
  {relief}と聞いて安心した。 | I was relieved to hear that {relief}.
  {since}から{part}が痛い。 | My {part} has hurt since {since}.
  {outing}で{valuable}を盗まれた。 | I had my {valuable} stolen at {outing}.
  {food}はもう残っていない。 | We have no {food} left.
  {food}を買いに{store}へ行く。 | I am going to {store} to buy {food}.
  健康のために{health}いる。 | I {health} for my health.
  今、{task.te}いるところです。 | I am {task.ing} right now.
  {chore.dict}のはまだこれからだ。 | I have yet to {chore}.
  ここは昔、{place}だった。 | This place used to be {place}.
  {part}をけがして{cannot}。 | I hurt my {part} and cannot {cannot}.
`;

export const templates: readonly Template[] = pairs
  .trim()
  .split("\n")
  .map((line) => line.split("|").map((side) => side.trim()))
  .map(([ja, en]) => ({ ja: ja!, en: en! }));
