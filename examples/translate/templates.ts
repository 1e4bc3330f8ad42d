/**
 * Sentence templates and word lists of the generated part of train.jsonl. A placeholder `{list.form}` takes one form of a word drawn from a
 * list; the same list name in both languages means the same word. Lists are made for their templates, so that every combination is a
 * sentence that somebody could say.
 */

/** A word in the forms that the templates need, such as { ja: "兄", en: "my older brother", be: "is" }. */
export type Word = Readonly<Record<string, string>>;

export interface Template {
  readonly ja: string;
  readonly en: string;
}

export const templates: readonly Template[] = [
  { ja: "{person.ja}は{past.ja}{goods.ja}を買いました。", en: "{person.en} bought {goods.en} {past.en}." },
  { ja: "{person.ja}は今、{place.ja}にいます。", en: "{person.en} {person.be} at {place.en} now." },
  { ja: "{person.ja}はさっきから{do.te}います。", en: "{person.en} {person.has} been {do.ing} for a while." },
  { ja: "{place.ja}まで{ride.ja}で{minutes.ja}かかります。", en: "It takes {minutes.en} to get to {place.en} {ride.en}." },
  { ja: "私の{thing.ja}はどこにありますか。", en: "Where is my {thing.en}?" },
  { ja: "{day.ja}は{weather.ja}でしょう。", en: "It will probably be {weather.en} {day.en}." },
  { ja: "{food.ja}と{drink.ja}をお願いします。", en: "{food.a} and {drink.en}, please." },
  { ja: "{food.ja}と{snack.ja}では、どちらが好きですか。", en: "Which do you like better, {food.en} or {snack.en}?" },
  { ja: "あなたの{thing.ja}を貸してください。", en: "Please lend me your {thing.en}." },
  { ja: "{hour.ja}に{place.ja}の前で会いましょう。", en: "Let's meet in front of {place.en} at {hour.en}." },
  { ja: "{day.ja}、{place.ja}へ行きたいです。", en: "I want to go to {place.en} {day.en}." },
  { ja: "この{wear.ja}は{size.ja}すぎます。", en: "This {wear.en} is too {size.en}." },
  { ja: "{person.ja}は{subject.ja}が得意です。", en: "{person.en} {person.be} good at {subject.en}." },
  { ja: "{spot.ja}に{thing.ja}があります。", en: "There is {thing.a} {spot.en}." },
  { ja: "{reason.ja}ので、{result.ja}。", en: "{reason.en}, so I {result.en}." },
  { ja: "{thing.ja}を忘れないでください。", en: "Please don't forget your {thing.en}." },
  { ja: "ここで{do.te}もいいですか。", en: "May I {do.base} here?" },
  { ja: "外国で{do.ta}ことがありますか。", en: "Have you ever {do.done} abroad?" },
  { ja: "私は毎日{hour.ja}に{routine.ja}。", en: "I {routine.en} at {hour.en} every day." },
  { ja: "{person.ja}は{feeling.ja}そうに見えます。", en: "{person.en} {person.look} {feeling.en}." },
  { ja: "私は{when.ja}{do.dict}のが好きです。", en: "I like {do.ing} {when.en}." },
  { ja: "{day.ja}までに{duty.ja}なければなりません。", en: "I have to {duty.en} by {day.by}." },
  { ja: "{animal.ja}は{creature.ja}より{trait.ja}です。", en: "{animal.en} are {trait.en} than {creature.en}." },
  { ja: "もし{condition.ja}、{plan.ja}。", en: "If {condition.en}, {plan.en}." },
  { ja: "{day.ja}は{do.dict}つもりです。", en: "I am going to {do.base} {day.en}." },
  { ja: "{relative.ja}に{goods.ja}をあげました。", en: "I gave {goods.en} to {relative.en}." },
  { ja: "{relative.ja}から{letter.ja}が届きました。", en: "{letter.en} arrived from {relative.en}." },
  { ja: "どうして{past.ja}{did.ja}のですか。", en: "Why did you {did.en} {past.en}?" },
  { ja: "この町には{building.ja}が{count.ja}あります。", en: "This town has {count.en} {building.en}." },
  { ja: "{snack.ja}は{taste.ja}ておいしかったです。", en: "The {snack.en} was {taste.en} and delicious." },
  { ja: "{relative.ja}の誕生日は{month.ja}です。", en: "{relative.own} birthday is in {month.en}." },
  { ja: "{when.ja}、一緒に{do.masu}ませんか。", en: "Would you like to {do.base} with me {when.en}?" },
];

/** Reads a list: the first line names the forms, every other line is one word; cells are separated by " | ". */
function words(text: string): readonly Word[] {
  const [forms, ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(forms!.map((form, index) => [form, cells[index]!])));
}

export const lists: Readonly<Record<string, readonly Word[]>> = {
  person: words(`
    ja | en | be | look | has
    私の父 | my father | is | looks | has
    私の母 | my mother | is | looks | has
    兄 | my older brother | is | looks | has
    妹 | my younger sister | is | looks | has
    祖母 | my grandmother | is | looks | has
    いとこ | my cousin | is | looks | has
    クラスメート | my classmate | is | looks | has
    彼 | he | is | looks | has
    彼女 | she | is | looks | has
    あの学生 | that student | is | looks | has
    彼ら | they | are | look | have
    私の友達 | my friend | is | looks | has`),
  relative: words(`
    ja | en | own
    母 | my mother | My mother's
    弟 | my younger brother | My younger brother's
    姉 | my older sister | My older sister's
    祖父 | my grandfather | My grandfather's
    おば | my aunt | My aunt's
    友人 | a friend | My friend's
    先生 | my teacher | My teacher's
    息子 | my son | My son's`),
  past: words(`
    ja | en
    昨日 | yesterday
    先週 | last week
    今朝 | this morning
    昨夜 | last night
    先月 | last month
    日曜日に | on Sunday`),
  day: words(`
    ja | en | by
    明日 | tomorrow | tomorrow
    今週末 | this weekend | this weekend
    来週 | next week | next week
    月曜日 | on Monday | Monday
    金曜日 | on Friday | Friday
    土曜日 | on Saturday | Saturday`),
  when: words(`
    ja | en
    週末に | on the weekend
    朝 | in the morning
    夕方に | in the evening
    夏休みに | during the summer vacation
    放課後に | after school`),
  hour: words(`
    ja | en
    六時 | six o'clock
    七時 | seven o'clock
    八時半 | half past eight
    十時 | ten o'clock
    正午 | noon`),
  minutes: words(`
    ja | en
    五分 | five minutes
    十分 | ten minutes
    二十分 | twenty minutes
    一時間 | an hour
    四十分 | forty minutes`),
  ride: words(`
    ja | en
    バス | by bus
    電車 | by train
    自転車 | by bicycle
    車 | by car
    タクシー | by taxi
    地下鉄 | by subway`),
  place: words(`
    ja | en
    駅 | the station
    図書館 | the library
    病院 | the hospital
    空港 | the airport
    美術館 | the art museum
    公園 | the park
    市場 | the market
    郵便局 | the post office
    映画館 | the movie theater
    動物園 | the zoo`),
  building: words(`
    ja | en
    古い寺 | old temples
    静かな公園 | quiet parks
    小さな本屋 | small bookstores
    新しいホテル | new hotels
    おいしいパン屋 | good bakeries`),
  count: words(`
    ja | en
    三つ | three
    いくつか | several
    たくさん | many
    五つ | five`),
  goods: words(`
    ja | en
    新しい靴 | new shoes
    赤い帽子 | a red hat
    花 | some flowers
    腕時計 | a watch
    青い傘 | a blue umbrella
    英語の辞書 | an English dictionary
    白いシャツ | a white shirt
    かわいい人形 | a cute doll
    りんご | some apples`),
  thing: words(`
    ja | en | a
    かぎ | key | a key
    傘 | umbrella | an umbrella
    財布 | wallet | a wallet
    ノート | notebook | a notebook
    鉛筆 | pencil | a pencil
    電話 | phone | a phone
    かばん | bag | a bag
    カメラ | camera | a camera`),
  spot: words(`
    ja | en
    机の上 | on the desk
    いすの下 | under the chair
    箱の中 | in the box
    ドアの近く | near the door
    ベッドの上 | on the bed`),
  wear: words(`
    ja | en
    シャツ | shirt
    ドレス | dress
    コート | coat
    スカート | skirt
    上着 | jacket`),
  size: words(`
    ja | en
    大き | big
    小さ | small
    高 | expensive
    長 | long
    派手 | flashy`),
  weather: words(`
    ja | en
    晴れ | sunny
    雨 | rainy
    曇り | cloudy
    雪 | snowy
    いい天気 | fine`),
  food: words(`
    ja | en | a
    パン | bread | some bread
    カレー | curry | curry
    すし | sushi | sushi
    スープ | soup | soup
    サラダ | salad | a salad
    ラーメン | ramen | ramen`),
  snack: words(`
    ja | en
    チョコレート | chocolate
    ケーキ | cake
    アイスクリーム | ice cream
    果物 | fruit
    ゼリー | jelly`),
  drink: words(`
    ja | en
    お茶 | tea
    水 | water
    コーヒー | coffee
    牛乳 | milk
    オレンジジュース | orange juice`),
  taste: words(`
    ja | en
    甘く | sweet
    冷たく | cold
    柔らかく | soft`),
  subject: words(`
    ja | en
    数学 | math
    英語 | English
    料理 | cooking
    水泳 | swimming
    音楽 | music
    絵 | drawing`),
  feeling: words(`
    ja | en
    うれし | happy
    悲し | sad
    眠 | sleepy
    忙し | busy
    楽し | cheerful
    心配 | worried`),
  routine: words(`
    ja | en
    起きます | get up
    寝ます | go to bed
    家を出ます | leave home
    犬の散歩をします | walk my dog
    薬を飲みます | take my medicine`),
  duty: words(`
    ja | en
    宿題を終え | finish my homework
    部屋を片づけ | clean up my room
    本を返さ | return the book
    手紙を書か | write a letter
    お金を払わ | pay the money
    答えを決め | decide on an answer`),
  do: words(`
    dict | te | ta | masu | base | ing | done
    写真を撮る | 写真を撮って | 写真を撮った | 写真を撮り | take pictures | taking pictures | taken pictures
    歌を歌う | 歌を歌って | 歌を歌った | 歌を歌い | sing songs | singing songs | sung songs
    本を読む | 本を読んで | 本を読んだ | 本を読み | read books | reading books | read books
    絵をかく | 絵をかいて | 絵をかいた | 絵をかき | draw pictures | drawing pictures | drawn pictures
    テニスをする | テニスをして | テニスをした | テニスをし | play tennis | playing tennis | played tennis
    ギターを弾く | ギターを弾いて | ギターを弾いた | ギターを弾き | play the guitar | playing the guitar | played the guitar
    ダンスを習う | ダンスを習って | ダンスを習った | ダンスを習い | learn to dance | learning to dance | learned to dance
    日本語を教える | 日本語を教えて | 日本語を教えた | 日本語を教え | teach Japanese | teaching Japanese | taught Japanese
    料理を作る | 料理を作って | 料理を作った | 料理を作り | cook | cooking | cooked
    音楽を聞く | 音楽を聞いて | 音楽を聞いた | 音楽を聞き | listen to music | listening to music | listened to music`),
  did: words(`
    ja | en
    学校を休んだ | stay home from school
    早く帰った | go home early
    電話をかけた | make a phone call
    髪を切った | cut your hair
    窓を開けた | open the window
    一人で行った | go alone`),
  reason: words(`
    ja | en
    とても疲れた | I was very tired
    雨が強かった | the rain was heavy
    風邪を引いた | I caught a cold
    道が混んでいた | the roads were crowded
    おなかがすいた | I was hungry
    時間がなかった | I had no time`),
  result: words(`
    ja | en
    早めに帰りました | went home early
    タクシーに乗りました | took a taxi
    友達に電話しました | called my friend
    店に入りました | went into a shop
    約束を変えました | changed my plans`),
  condition: words(`
    ja | en
    明日雨が降ったら | it rains tomorrow
    時間があれば | I have time
    早く起きられたら | I can get up early
    バスが来なければ | the bus does not come
    天気がよければ | the weather is good`),
  plan: words(`
    ja | en
    駅まで歩きます | I will walk to the station
    祖父に会いに行きます | I will go to see my grandfather
    家で映画を見ます | I will watch a movie at home
    部屋を掃除します | I will clean my room
    友達を手伝います | I will help my friend`),
  animal: words(`
    ja | en
    象 | elephants
    馬 | horses
    くま | bears
    牛 | cows`),
  creature: words(`
    ja | en
    猫 | cats
    うさぎ | rabbits
    ねずみ | mice
    羊 | sheep`),
  trait: words(`
    ja | en
    大きい | bigger
    強い | stronger
    重い | heavier`),
  letter: words(`
    ja | en
    手紙 | a letter
    小包 | a package
    はがき | a postcard
    長いメール | a long e-mail`),
  month: words(`
    ja | en
    一月 | January
    三月 | March
    五月 | May
    八月 | August
    十月 | October
    十二月 | December`),
};
