/**
 * The words of the everyday sentences, one a line. Nouns: Japanese | English | plural, or `-` for what has none (water, homework).
 * Verbs: Japanese frame | kind | English forms | English frame | classes of the object | what the place may be.
 */

const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));

export interface Noun {
  readonly ja: string;
  readonly en: string;
  /** undefined: not countable. */
  readonly plural?: string;
}

const regularPlural = (word: string) =>
  /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : /(?:s|sh|ch|x)$/.test(word) ? `${word}es` : `${word}s`;

const nouns = (text: string): readonly Noun[] =>
  lines(text).map(([ja, en, plural]) => ({ ja: ja!, en: en!, plural: plural === "-" ? undefined : (plural ?? regularPlural(en!)) }));

export const NOUNS: Readonly<Record<string, readonly Noun[]>> = {
  food: nouns(`
    パン | bread | -
    ご飯 | rice | -
    魚 | fish | fish
    肉 | meat | -
    卵 | egg
    野菜 | vegetable
    果物 | fruit | -
    りんご | apple
    みかん | orange
    バナナ | banana
    いちご | strawberry
    ぶどう | grape
    すいか | watermelon
    ケーキ | cake
    アイスクリーム | ice cream | -
    チョコレート | chocolate | -
    クッキー | cookie
    サラダ | salad
    スープ | soup | -
    カレー | curry | -
    ラーメン | ramen | -
    うどん | udon | -
    そば | soba | -
    すし | sushi | -
    てんぷら | tempura | -
    おにぎり | rice ball
    サンドイッチ | sandwich
    ハンバーガー | hamburger
    ピザ | pizza
    スパゲッティ | spaghetti | -
    チーズ | cheese | -
    とうふ | tofu | -
    豆 | bean
    じゃがいも | potato | potatoes
    トマト | tomato | tomatoes
    にんじん | carrot
    玉ねぎ | onion
    お菓子 | candy | -
    お弁当 | boxed lunch
    朝ご飯 | breakfast | -
    昼ご飯 | lunch | -
    晩ご飯 | dinner | -
    ステーキ | steak
    なし | pear
    もも | peach
    さくらんぼ | cherry
    きのこ | mushroom
    とうもろこし | corn | -
    ドーナツ | doughnut
    パイ | pie`),
  drink: nouns(`
    水 | water | -
    お茶 | tea | -
    紅茶 | black tea | -
    コーヒー | coffee | -
    牛乳 | milk | -
    ジュース | juice | -
    ビール | beer | -
    ワイン | wine | -
    お酒 | sake | -
    スープ | soup | -
    ココア | hot chocolate | -
    オレンジジュース | orange juice | -
    薬 | medicine | -`),
  read: nouns(`
    本 | book
    新聞 | newspaper
    雑誌 | magazine
    手紙 | letter
    小説 | novel
    まんが | comic book
    詩 | poem
    物語 | story
    教科書 | textbook
    記事 | article
    メール | e-mail
    日記 | diary
    地図 | map
    辞書 | dictionary
    説明書 | manual
    葉書 | postcard
    報告書 | report`),
  watch: nouns(`
    テレビ | TV | -
    映画 | movie
    写真 | picture
    絵 | painting
    星 | star
    海 | sea | -
    花火 | fireworks | -
    試合 | game
    ニュース | the news | -
    桜 | cherry blossoms | -
    月 | the moon | -
    山 | mountain
    景色 | view
    番組 | program
    ビデオ | video`),
  listen: nouns(`
    音楽 | music | -
    ラジオ | the radio | -
    歌 | song
    話 | story
    鳥の声 | the birds | -
    先生の話 | the teacher | -
    雨の音 | the sound of the rain | -
    ピアノの音 | the sound of a piano | -`),
  thing: nouns(`
    かばん | bag
    傘 | umbrella
    時計 | watch
    財布 | wallet
    鍵 | key
    眼鏡 | glasses | -
    電話 | phone
    カメラ | camera
    帽子 | hat
    靴 | shoes | -
    コート | coat
    シャツ | shirt
    セーター | sweater
    ネクタイ | tie
    手袋 | gloves | -
    指輪 | ring
    ペン | pen
    鉛筆 | pencil
    消しゴム | eraser
    ノート | notebook
    辞書 | dictionary
    本 | book
    箱 | box
    切符 | ticket
    荷物 | luggage | -
    お金 | money | -
    写真 | picture
    人形 | doll
    おもちゃ | toy
    ボール | ball
    自転車 | bicycle
    車 | car
    パソコン | computer
    ナイフ | knife | knives
    皿 | plate
    コップ | glass
    茶碗 | bowl
    タオル | towel
    石けん | soap | -
    はさみ | scissors | -
    紙 | paper | -
    切手 | stamp
    封筒 | envelope
    花 | flower
    花びん | vase
    人形 | doll
    マフラー | scarf | scarves
    スカート | skirt
    ズボン | pants | -
    靴下 | socks | -
    ハンカチ | handkerchief
    ギター | guitar
    いす | chair
    机 | desk
    テーブル | table
    ベッド | bed
    ランプ | lamp
    鏡 | mirror
    毛布 | blanket
    枕 | pillow
    プレゼント | present
    地図 | map
    かご | basket
    びん | bottle
    スプーン | spoon
    フォーク | fork
    鍋 | pot
    やかん | kettle
    冷蔵庫 | refrigerator
    ドレス | dress`),
  clean: nouns(`
    部屋 | room
    台所 | kitchen
    家 | house
    窓 | window
    車 | car
    床 | floor
    机 | desk
    教室 | classroom
    庭 | yard
    トイレ | bathroom
    皿 | dishes | -
    服 | clothes | -
    シャツ | shirt
    靴 | shoes | -`),
  open: nouns(`
    窓 | window
    ドア | door
    箱 | box
    門 | gate
    カーテン | curtains | -
    本 | book
    びん | bottle
    引き出し | drawer
    かばん | bag
    店 | shop`),
  light: nouns(`
    電気 | light
    テレビ | TV | -
    ラジオ | radio
    エアコン | air conditioner
    ストーブ | heater
    パソコン | computer
    ランプ | lamp
    ろうそくの火 | candle`),
  study: nouns(`
    英語 | English | -
    日本語 | Japanese | -
    フランス語 | French | -
    ドイツ語 | German | -
    中国語 | Chinese | -
    スペイン語 | Spanish | -
    数学 | math | -
    歴史 | history | -
    科学 | science | -
    音楽 | music | -
    法律 | law | -
    医学 | medicine | -
    経済 | economics | -
    美術 | art | -
    化学 | chemistry | -
    地理 | geography | -
    文学 | literature | -`),
  language: nouns(`
    英語 | English | -
    日本語 | Japanese | -
    フランス語 | French | -
    ドイツ語 | German | -
    中国語 | Chinese | -
    スペイン語 | Spanish | -
    韓国語 | Korean | -
    ロシア語 | Russian | -`),
  strings: nouns(`
    ピアノ | the piano | -
    ギター | the guitar | -
    バイオリン | the violin | -
    オルガン | the organ | -`),
  songs: nouns(`
    歌 | song
    古い歌 | old song
    日本の歌 | Japanese song
    英語の歌 | English song
    好きな歌 | favorite song`),
  cut: nouns(`
    紙 | paper | -
    パン | bread | -
    ケーキ | cake
    りんご | apple
    木 | tree
    ひも | string
    肉 | meat | -
    野菜 | vegetable`),
  cook: nouns(`
    魚 | fish | -
    肉 | meat | -
    野菜 | vegetable
    卵 | egg
    晩ご飯 | dinner | -
    昼ご飯 | lunch | -
    カレー | curry | -`),
  sport: nouns(`
    テニス | tennis | -
    サッカー | soccer | -
    野球 | baseball | -
    バスケットボール | basketball | -
    バレーボール | volleyball | -
    ゴルフ | golf | -
    ピンポン | table tennis | -
    ゲーム | games | -
    トランプ | cards | -
    将棋 | shogi | -
    チェス | chess | -`),
  instrument: nouns(`
    ピアノ | the piano | -
    ギター | the guitar | -
    バイオリン | the violin | -
    フルート | the flute | -
    ドラム | the drums | -
    オルガン | the organ | -`),
  goto: nouns(`
    学校 | to school | -
    駅 | to the station | -
    図書館 | to the library | -
    公園 | to the park | -
    病院 | to the hospital | -
    銀行 | to the bank | -
    郵便局 | to the post office | -
    スーパー | to the supermarket | -
    デパート | to the department store | -
    本屋 | to the bookstore | -
    パン屋 | to the bakery | -
    レストラン | to the restaurant | -
    喫茶店 | to the coffee shop | -
    映画館 | to the movie theater | -
    美術館 | to the art museum | -
    博物館 | to the museum | -
    動物園 | to the zoo | -
    海 | to the sea | -
    山 | to the mountains | -
    川 | to the river | -
    湖 | to the lake | -
    町 | to town | -
    村 | to the village | -
    会社 | to the office | -
    大学 | to the university | -
    教会 | to church | -
    空港 | to the airport | -
    東京 | to Tokyo | -
    京都 | to Kyoto | -
    大阪 | to Osaka | -
    北海道 | to Hokkaido | -
    沖縄 | to Okinawa | -
    アメリカ | to America | -
    イギリス | to England | -
    フランス | to France | -
    中国 | to China | -
    ドイツ | to Germany | -
    カナダ | to Canada | -
    オーストラリア | to Australia | -
    外国 | abroad | -
    市場 | to the market | -
    プール | to the pool | -
    歯医者 | to the dentist | -
    おばあさんの家 | to Grandmother's house | -
    友達の家 | to a friend's house | -
    お寺 | to the temple | -
    神社 | to the shrine | -
    港 | to the harbor | -
    島 | to the island | -
    薬局 | to the drugstore | -
    花屋 | to the flower shop | -
    体育館 | to the gym | -
    教室 | to the classroom | -
    温泉 | to the hot spring | -
    牧場 | to the farm | -`),
  person: nouns(`
    母 | my mother | -
    父 | my father | -
    兄 | my older brother | -
    姉 | my older sister | -
    弟 | my younger brother | -
    妹 | my younger sister | -
    祖父 | my grandfather | -
    祖母 | my grandmother | -
    友達 | my friend | -
    先生 | my teacher | -
    おじ | my uncle | -
    おば | my aunt | -
    いとこ | my cousin | -
    両親 | my parents | -
    彼 | him | -
    彼女 | her | -
    トム | Tom | -
    メアリー | Mary | -
    田中さん | Mr. Tanaka | -
    医者 | the doctor | -
    隣の人 | my neighbor | -
    店員 | the clerk | -
    警官 | the policeman | -
    子供たち | the children | -
    みんな | everyone | -
    妻 | my wife | -
    夫 | my husband | -
    息子 | my son | -
    娘 | my daughter | -
    おじいさん | the old man | -
    クラスメート | my classmate | -
    上司 | my boss | -`),
  animal: nouns(`
    犬 | dog
    猫 | cat
    鳥 | bird
    馬 | horse
    牛 | cow
    羊 | sheep | sheep
    うさぎ | rabbit
    象 | elephant
    さる | monkey
    魚 | fish | fish
    くま | bear
    きつね | fox
    りす | squirrel
    かめ | turtle
    蛇 | snake
    とら | tiger
    ねずみ | mouse | mice
    鶏 | chicken
    ぶた | pig
    子犬 | puppy
    子猫 | kitten`),
  building: nouns(`
    学校 | school
    病院 | hospital
    公園 | park
    駅 | station
    図書館 | library
    銀行 | bank
    郵便局 | post office
    スーパー | supermarket
    ホテル | hotel
    教会 | church
    橋 | bridge
    レストラン | restaurant
    喫茶店 | coffee shop
    本屋 | bookstore
    映画館 | movie theater
    工場 | factory
    美術館 | art museum
    お寺 | temple
    プール | swimming pool
    市場 | market
    大学 | university
    花屋 | flower shop
    薬局 | drugstore
    バス停 | bus stop
    交番 | police box`),
  vehicle: nouns(`
    電車 | train
    バス | bus
    タクシー | taxi
    車 | car
    自転車 | bicycle
    船 | ship
    飛行機 | plane
    地下鉄 | subway
    新幹線 | bullet train`),
  job: nouns(`
    先生 | teacher
    医者 | doctor
    看護師 | nurse
    学生 | student
    大学生 | college student
    高校生 | high school student
    作家 | writer
    画家 | painter
    歌手 | singer
    警官 | policeman | policemen
    運転手 | driver
    弁護士 | lawyer
    農夫 | farmer
    料理人 | cook
    技師 | engineer
    科学者 | scientist
    会社員 | office worker
    パン屋 | baker
    大工 | carpenter
    記者 | reporter
    俳優 | actor
    ピアニスト | pianist
    歯医者 | dentist
    漁師 | fisherman | fishermen
    パイロット | pilot
    銀行員 | bank clerk
    通訳 | interpreter
    野球選手 | baseball player
    主婦 | housewife | housewives
    美容師 | hairdresser`),
  make: nouns(`
    朝ご飯 | breakfast | -
    昼ご飯 | lunch | -
    晩ご飯 | dinner | -
    ケーキ | cake
    スープ | soup | -
    カレー | curry | -
    サラダ | salad
    いす | chair
    人形 | doll
    お弁当 | boxed lunch
    サンドイッチ | sandwich
    パン | bread | -
    クッキー | cookie
    お茶 | tea | -
    紙飛行機 | paper plane
    雪だるま | snowman | snowmen
    ジャム | jam | -
    棚 | shelf | shelves
    セーター | sweater
    計画 | plan`),
  write: nouns(`
    手紙 | letter
    日記 | diary
    メール | e-mail
    名前 | my name | -
    詩 | poem
    小説 | novel
    作文 | essay
    報告書 | report
    住所 | the address | -
    歌 | song
    本 | book
    葉書 | postcard
    漢字 | kanji | -`),
  grow: nouns(`
    花 | flower
    ばら | rose
    野菜 | vegetable
    トマト | tomato | tomatoes
    木 | tree
    米 | rice | -
    いちご | strawberry
    チューリップ | tulip
    ひまわり | sunflower
    りんごの木 | apple tree`),
};

export interface Place {
  /** With particle: 公園で. */
  readonly ja: string;
  readonly en: string;
}

const phrases = (text: string): readonly Place[] => lines(text).map(([ja, en]) => ({ ja: ja!, en: en! }));

/** Where something is done. */
export const PLACES = phrases(`
  公園で | in the park
  家で | at home
  学校で | at school
  図書館で | in the library
  駅で | at the station
  部屋で | in my room
  庭で | in the yard
  台所で | in the kitchen
  レストランで | at a restaurant
  喫茶店で | at a coffee shop
  教室で | in the classroom
  電車の中で | on the train
  バスの中で | on the bus
  海で | at the beach
  川で | at the river
  東京で | in Tokyo
  京都で | in Kyoto
  アメリカで | in America
  ホテルで | at the hotel
  会社で | at the office
  外で | outside
  木の下で | under a tree
  ベンチで | on a bench
  ベッドで | in bed
  居間で | in the living room
  スーパーの前で | in front of the supermarket
  窓のそばで | by the window
  湖のそばで | by the lake
  二階で | upstairs
  病院で | at the hospital
  友達の家で | at a friend's house
  山で | in the mountains
  屋根の上で | on the roof
  橋の上で | on the bridge
  店で | at the shop
  デパートで | at the department store
  町で | in town
  田舎で | in the country`);

/** Where something is: 机の上に. */
export const SPOTS = phrases(`
  机の上に | on the desk
  テーブルの上に | on the table
  いすの下に | under the chair
  箱の中に | in the box
  かばんの中に | in the bag
  引き出しの中に | in the drawer
  ベッドの下に | under the bed
  窓のそばに | by the window
  ドアの後ろに | behind the door
  木の下に | under the tree
  台所に | in the kitchen
  部屋に | in the room
  庭に | in the garden
  駅の前に | in front of the station
  学校の隣に | next to the school
  家の近くに | near my house
  冷蔵庫の中に | in the refrigerator
  本棚に | on the bookshelf
  車の中に | in the car
  川の向こうに | across the river
  壁に | on the wall
  床の上に | on the floor
  屋根の上に | on the roof
  ここに | here
  あそこに | over there
  公園に | in the park
  ポケットの中に | in my pocket
  鏡の前に | in front of the mirror
  玄関に | at the front door
  二階に | upstairs`);

export const PAST_TIMES = phrases(`
  昨日 | yesterday
  昨夜 | last night
  ゆうべ | last night
  今朝 | this morning
  先週 | last week
  先月 | last month
  去年 | last year
  おととい | the day before yesterday
  二日前に | two days ago
  三日前に | three days ago
  一週間前に | a week ago
  一年前に | a year ago
  二年前に | two years ago
  さっき | a little while ago
  この前の日曜日に | last Sunday
  先週の金曜日に | last Friday
  昨日の朝 | yesterday morning
  昨日の午後 | yesterday afternoon
  去年の夏 | last summer
  去年の冬 | last winter
  若いころ | when I was young
  子供のころ | when I was a child
  十年前に | ten years ago
  一時間前に | an hour ago
  先日 | the other day`);

export const FUTURE_TIMES = phrases(`
  明日 | tomorrow
  あさって | the day after tomorrow
  今晩 | this evening
  今夜 | tonight
  来週 | next week
  来月 | next month
  来年 | next year
  今週末 | this weekend
  来週の月曜日に | next Monday
  今度の土曜日に | this Saturday
  明日の朝 | tomorrow morning
  明日の午後 | tomorrow afternoon
  放課後 | after school
  夏休みに | during the summer vacation
  あとで | later
  すぐに | soon
  一時間後に | in an hour
  今度の春 | this spring
  三時に | at three o'clock
  七時に | at seven o'clock
  昼休みに | during the lunch break`);

/** Habits; `pre` stands before the English verb. */
export const HABITS: readonly { ja: string; en: string; pre: boolean }[] = [
  ...phrases(`
  よく | often
  いつも | always
  ときどき | sometimes
  たいてい | usually
  めったにないが | seldom`)
    .filter(({ ja }) => ja !== "めったにないが")
    .map((each) => ({ ...each, pre: true })),
  ...phrases(`
  毎日 | every day
  毎朝 | every morning
  毎晩 | every evening
  毎週 | every week
  毎年 | every year
  毎週日曜日に | every Sunday
  土曜日に | on Saturdays
  日曜日に | on Sundays
  月曜日に | on Mondays
  週に二回 | twice a week
  週に一度 | once a week
  月に一度 | once a month
  夏に | in the summer
  冬に | in the winter
  朝 | in the morning
  夜 | at night
  夕方 | in the evening
  午後に | in the afternoon
  朝早く | early in the morning
  寝る前に | before going to bed
  食事の前に | before meals
  食事の後で | after meals
  雨の日は | on rainy days
  天気のいい日は | on fine days
  仕事の後で | after work
  週末に | on weekends
  一日に三回 | three times a day`).map((each) => ({ ...each, pre: false })),
];

export const COMPANIONS = phrases(`
  友達と | with my friends
  母と | with my mother
  父と | with my father
  弟と | with my younger brother
  妹と | with my younger sister
  兄と | with my older brother
  姉と | with my older sister
  家族と | with my family
  犬と | with my dog
  トムと | with Tom
  彼女と | with her
  彼と | with him
  子供たちと | with the children
  一人で | alone
  先生と | with my teacher
  妻と | with my wife
  みんなで | all together
  おじと | with my uncle
  祖母と | with my grandmother`);

export const VERBS = lines(`
  {o}を食べる | 1 | eat ate eaten | {v} {o} | food | p
  {o}を飲む | 5 | drink drank drunk | {v} {o} | drink | p
  {o}を読む | 5 | read read read | {v} {o} | read | p
  {o}を見る | 1 | watch | {v} {o} | watch | p
  {o}を見る | 1 | look+at looked+at looked+at | {v} {o} | watch |
  {o}を聞く | 5 | listen+to listened+to listened+to | {v} {o} | listen | p
  {o}を買う | 5 | buy bought bought | {v} {o} | thing food read | p
  {o}を売る | 5 | sell sold sold | {v} {o} | thing food | p
  {o}を作る | 5 | make made made | {v} {o} | make | p
  {o}を書く | 5 | write wrote written | {v} {o} | write | p
  {o}を洗う | 5 | wash | {v} {o} | clean | p
  {o}を掃除する | s | clean | {v} {o} | clean |
  {o}を開ける | 1 | open | {v} {o} | open |
  {o}を閉める | 1 | close | {v} {o} | open |
  {o}をつける | 1 | turn+on turned+on turned+on | {v} {o} | light |
  {o}を消す | 5 | turn+off turned+off turned+off | {v} {o} | light |
  {o}を勉強する | s | study | {v} {o} | study | p
  {o}を習う | 5 | learn | {v} {o} | study instrument | p
  {o}を教える | 1 | teach taught taught | {v} {o} | study | p
  {o}を話す | 5 | speak spoke spoken | {v} {o} | language |
  {o}をする | s | play | {v} {o} | sport | p
  {o}を弾く | 5 | play | {v} {o} | strings | p
  {o}へ行く | i | go went gone | {v} {o} | goto |
  {o}に行く | i | go went gone | {v} {o} | goto |
  {o}に着く | 5 | get got gotten | {v} {o} | goto |
  {o}に会う | 5 | meet met met | {v} {o} | person | p
  {o}を手伝う | 5 | help | {v} {o} | person | p
  {o}を待つ | 5 | wait+for waited+for waited+for | {v} {o} | person | p
  {o}に電話する | s | call | {v} {o} | person | p
  {o}と話す | 5 | talk+with talked+with talked+with | {v} {o} | person | p
  {o}を訪ねる | 1 | visit | {v} {o} | person |
  {o}に手紙を書く | 5 | write wrote written | {v} a letter to {o} | person | p
  {o}を呼ぶ | 5 | call | {v} {o} | person |
  {o}に聞く | 5 | ask | {v} {o} | person |
  {o}にお礼を言う | 5 | thank | {v} {o} | person |
  {o}を忘れる | 1 | forget forgot forgotten | {v} {o} | thing |
  {o}をなくす | 5 | lose lost lost | {v} {o} | thing | p
  {o}を探す | 5 | look+for looked+for looked+for | {v} {o} | thing | p
  {o}を見つける | 1 | find found found | {v} {o} | thing | p
  {o}を使う | 5 | use | {v} {o} | thing | p
  {o}を借りる | 1 | borrow | {v} {o} | thing read | p
  {o}を返す | 5 | return | {v} {o} | thing read |
  {o}を運ぶ | 5 | carry | {v} {o} | thing |
  {o}を直す | 5 | fix | {v} {o} | thing |
  {o}を壊す | 5 | break broke broken | {v} {o} | thing |
  {o}を捨てる | 1 | throw+away threw+away thrown+away | {v} {o} | thing |
  {o}を持って来る | k | bring brought brought | {v} {o} | thing food |
  {o}を取る | 5 | take took taken | {v} {o} | thing |
  {o}を送る | 5 | send sent sent | {v} {o} | thing read |
  {o}をもらう | 5 | get got gotten | {v} {o} | thing |
  {o}を選ぶ | 5 | choose chose chosen | {v} {o} | thing food |
  {o}を隠す | 5 | hide hid hidden | {v} {o} | thing |
  {o}を描く | 5 | draw drew drawn | {v} {o} | animal grow | p
  {o}を飼う | 5 | keep kept kept | {v} {o} | animal |
  {o}を育てる | 1 | grow grew grown | {v} {o} | grow | p
  {o}に乗る | 5 | take took taken | {v} {o} | vehicle |
  {o}を降りる | 1 | get+off got+off gotten+off | {v} {o} | vehicle |
  {o}を歌う | 5 | sing sang sung | {v} {o} | songs | p
  {o}を切る | 5 | cut cut cut | {v} {o} | cut | p
  {o}を料理する | s | cook | {v} {o} | cook | p
  {o}を注文する | s | order | {v} {o} | food drink | p
  {o}の写真を撮る | 5 | take took taken | {v} a picture of {o} | animal building | p
  {o}に花をあげる | 1 | give gave given | {v} flowers to {o} | person |
  {o}にプレゼントをあげる | 1 | give gave given | {v} {o} a present | person |
  {o}に本を貸す | 5 | lend lent lent | {v} {o} a book | person |
  {o}に写真を見せる | 1 | show showed shown | {v} {o} some pictures | person |
  {o}に道を教える | 1 | tell told told | {v} {o} the way | person |
  {o}に英語を教える | 1 | teach taught taught | {v} {o} English | person | p
  {o}を駅まで送る | 5 | take took taken | {v} {o} to the station | person |
  {o}をパーティーに招待する | s | invite | {v} {o} to the party | person |
  {o}から手紙をもらう | 5 | get got gotten | {v} a letter from {o} | person |
  {o}からお金を借りる | 1 | borrow | {v} some money from {o} | person |
  {o}に本当のことを言う | 5 | tell told told | {v} {o} the truth | person |
  {o}に席を譲る | 5 | give gave given | {v} {o} my seat | person |
  走る | 5 | run ran run | {v} | | p
  歩く | 5 | walk | {v} | | p
  泳ぐ | 5 | swim swam swum | {v} | | p
  働く | 5 | work | {v} | | p
  遊ぶ | 5 | play | {v} | | p
  寝る | 1 | sleep slept slept | {v} | | p
  寝る | 1 | go+to+bed went+to+bed gone+to+bed | {v} | |
  休む | 5 | rest | {v} | | p
  泣く | 5 | cry | {v} | | p
  笑う | 5 | laugh | {v} | |
  踊る | 5 | dance | {v} | | p
  歌う | 5 | sing sang sung | {v} | | p
  勉強する | s | study | {v} | | p
  料理する | s | cook | {v} | |
  買い物をする | s | go+shopping went+shopping gone+shopping | {v} | | p
  買い物に行く | i | go+shopping went+shopping gone+shopping | {v} | |
  散歩する | s | take took taken | {v} a walk | | p
  旅行する | s | travel | {v} | |
  運転する | s | drive drove driven | {v} | |
  起きる | 1 | get+up got+up gotten+up | {v} | |
  早く起きる | 1 | get+up got+up gotten+up | {v} early | |
  六時に起きる | 1 | get+up got+up gotten+up | {v} at six o'clock | |
  七時に家を出る | 1 | leave left left | {v} home at seven o'clock | |
  十時に寝る | 1 | go+to+bed went+to+bed gone+to+bed | {v} at ten o'clock | |
  家に帰る | 5 | go+home went+home gone+home | {v} | |
  早く帰る | 5 | go+home went+home gone+home | {v} early | |
  家にいる | 1 | stay | {v} home | |
  宿題をする | s | do did done | {v} my homework | | p
  宿題を終える | 1 | finish | {v} my homework | |
  仕事を終える | 1 | finish | {v} my work | |
  仕事を探す | 5 | look+for looked+for looked+for | {v} a job | | p
  服を着る | 1 | get+dressed got+dressed gotten+dressed | {v} | |
  新しい服を着る | 1 | wear wore worn | {v} new clothes | |
  帽子をかぶる | 5 | wear wore worn | {v} a hat | |
  靴をはく | 5 | put+on put+on put+on | {v} my shoes | |
  靴を脱ぐ | 5 | take+off took+off taken+off | {v} my shoes | |
  眼鏡をかける | 1 | wear wore worn | {v} glasses | |
  コートを脱ぐ | 5 | take+off took+off taken+off | {v} my coat | |
  シャワーを浴びる | 1 | take took taken | {v} a shower | |
  お風呂に入る | 5 | take took taken | {v} a bath | |
  顔を洗う | 5 | wash | {v} my face | |
  手を洗う | 5 | wash | {v} my hands | |
  歯を磨く | 5 | brush | {v} my teeth | |
  薬を飲む | 5 | take took taken | {v} some medicine | |
  風邪をひく | 5 | catch caught caught | {v} a cold | |
  学校を休む | 5 | be+absent+from+school was+absent+from+school been+absent+from+school | {v} | |
  電話に出る | 1 | answer | {v} the phone | |
  質問に答える | 1 | answer | {v} the question | |
  質問をする | s | ask | {v} a question | |
  約束を守る | 5 | keep kept kept | {v} my promise | |
  道に迷う | 5 | get+lost got+lost gotten+lost | {v} | |
  電車に乗る | 5 | take took taken | {v} the train | |
  バスに乗る | 5 | take took taken | {v} the bus | |
  バスを待つ | 5 | wait+for waited+for waited+for | {v} the bus | |
  電車で学校へ行く | i | go+to+school went+to+school gone+to+school | {v} by train | |
  バスで会社へ行く | i | go+to+work went+to+work gone+to+work | {v} by bus | |
  自転車で学校に行く | i | go+to+school went+to+school gone+to+school | {v} by bicycle | |
  歩いて駅へ行く | i | walk | {v} to the station | |
  右に曲がる | 5 | turn | {v} right | |
  左に曲がる | 5 | turn | {v} left | |
  橋を渡る | 5 | cross | {v} the bridge | |
  道を渡る | 5 | cross | {v} the street | |
  階段を上る | 5 | climb | {v} the stairs | |
  山に登る | 5 | climb | {v} a mountain | |
  川で泳ぐ | 5 | swim swam swum | {v} in the river | |
  海で泳ぐ | 5 | swim swam swum | {v} in the sea | |
  釣りに行く | i | go+fishing went+fishing gone+fishing | {v} | |
  いすに座る | 5 | sit sat sat | {v} on a chair | |
  ここに座る | 5 | sit sat sat | {v} here | |
  立つ | 5 | stand+up stood+up stood+up | {v} | |
  窓から外を見る | 1 | look looked looked | {v} out of the window | |
  犬の散歩をする | s | walk | {v} the dog | |
  犬に餌をやる | 5 | feed fed fed | {v} the dog | |
  花に水をやる | 5 | water | {v} the flowers | |
  皿を洗う | 5 | wash | {v} the dishes | |
  洗濯をする | s | do did done | {v} the laundry | |
  ごみを出す | 5 | take+out took+out taken+out | {v} the garbage | |
  写真を撮る | 5 | take took taken | {v} pictures | | p
  絵を描く | 5 | paint | {v} a picture | | p
  ピアノを練習する | s | practice | {v} the piano | |
  英語の歌を歌う | 5 | sing sang sung | {v} an English song | | p
  日本語で話す | 5 | speak spoke spoken | {v} in Japanese | |
  もっとゆっくり話す | 5 | speak spoke spoken | {v} more slowly | |
  大きな声で話す | 5 | speak spoke spoken | {v} in a loud voice | |
  たばこを吸う | 5 | smoke | {v} | | p
  試験に受かる | 5 | pass | {v} the exam | |
  試験を受ける | 1 | take took taken | {v} an exam | |
  試合に勝つ | 5 | win won won | {v} the game | |
  試合に負ける | 1 | lose lost lost | {v} the game | |
  お金をためる | 1 | save | {v} money | |
  お金を払う | 5 | pay paid paid | {v} the money | |
  大阪に住む | 5 | live | {v} in Osaka | |
  東京に引っ越す | 5 | move | {v} to Tokyo | |
  結婚する | s | get+married got+married gotten+married | {v} | |
  早く走る | 5 | run ran run | {v} fast | |
  一生懸命働く | 5 | work | {v} hard | |
  一生懸命勉強する | s | study | {v} hard | |
  会議に出る | 1 | attend | {v} the meeting | |
  パーティーに来る | k | come came come | {v} to the party | |
  ここに来る | k | come came come | {v} here | |
  家に来る | k | come came come | {v} to my house | |
  一緒に来る | k | come came come | {v} along | |
  学校に遅れる | 1 | be+late+for+school was+late+for+school been+late+for+school | {v} | |
  約束を忘れる | 1 | forget forgot forgotten | {v} the promise | |
  電気を消す | 5 | turn+off turned+off turned+off | {v} the light | |
  道で転ぶ | 5 | fall+down fell+down fallen+down | {v} on the street | |
  本を読む | 5 | read read read | {v} a book | | p
  テレビを見る | 1 | watch | {v} TV | | p
  音楽を聞く | 5 | listen listened listened | {v} to music | | p
  昼ご飯を食べる | 1 | eat ate eaten | {v} lunch | | p
  朝ご飯を食べる | 1 | eat ate eaten | {v} breakfast | | p
  コーヒーを飲む | 5 | drink drank drunk | {v} coffee | | p
  お茶を飲む | 5 | drink drank drunk | {v} tea | | p
  友達と遊ぶ | 5 | play | {v} with my friends | | p
  友達と話す | 5 | talk | {v} with my friends | | p
  ベンチに座る | 5 | sit sat sat | {v} on a bench | |
  公園を散歩する | s | walk | {v} in the park | |
  部屋を片付ける | 1 | tidy+up tidied+up tidied+up | {v} the room | |
  傘を持っていく | i | take took taken | {v} an umbrella | |
  靴を磨く | 5 | polish | {v} my shoes | |
  窓ガラスを割る | 5 | break broke broken | {v} the window | |
  空を飛ぶ | 5 | fly flew flown | {v} in the sky | |
  星を見上げる | 1 | look looked looked | {v} up at the stars | |
  名前を書く | 5 | write wrote written | {v} my name | |
  髪を切る | 5 | cut cut cut | {v} my hair | |
  車を運転する | s | drive drove driven | {v} a car | |
  荷物を預ける | 1 | check | {v} my luggage | |
  ホテルに泊まる | 5 | stay | {v} at a hotel | |
  切符を買う | 5 | buy bought bought | {v} a ticket | | p
  部屋を予約する | s | reserve | {v} a room | |
  病気になる | 5 | get+sick got+sick gotten+sick | {v} | |
  財布を落とす | 5 | drop | {v} my wallet | | p`).map(([ja, kind, forms, frame, classes, place]) => ({
  ja: ja!,
  kind: kind!,
  forms: forms!,
  frame: frame!,
  classes: (classes ?? "").split(" ").filter(Boolean),
  hasPlace: place === "p",
}));

export interface Adjective {
  /** With い or な: 赤い, 静かな. */
  readonly ja: string;
  readonly en: string;
  /** Comparative, from `more` or as it is written. */
  readonly more: string;
}

const adjectives = (text: string): readonly Adjective[] =>
  lines(text).map(([ja, en, more]) => ({ ja: ja!, en: en!, more: more ?? `more ${en}` }));

export const ADJECTIVES: Readonly<Record<string, readonly Adjective[]>> = {
  thing: adjectives(`
    新しい | new | newer
    古い | old | older
    大きい | big | bigger
    小さい | small | smaller
    高い | expensive
    安い | cheap | cheaper
    重い | heavy | heavier
    軽い | light | lighter
    赤い | red | redder
    青い | blue | bluer
    白い | white | whiter
    黒い | black | blacker
    黄色い | yellow | yellower
    きれいな | beautiful
    便利な | useful
    丈夫な | strong | stronger
    汚い | dirty | dirtier
    かわいい | cute | cuter
    変な | strange | stranger
    大切な | important
    丸い | round | rounder
    長い | long | longer
    短い | short | shorter`),
  food: adjectives(`
    おいしい | delicious
    甘い | sweet | sweeter
    辛い | spicy | spicier
    冷たい | cold | colder
    熱い | hot | hotter
    まずい | bad | worse
    新鮮な | fresh | fresher
    すっぱい | sour
    苦い | bitter
    高い | expensive
    安い | cheap | cheaper
    かたい | hard | harder
    柔らかい | soft | softer`),
  read: adjectives(`
    面白い | interesting
    難しい | difficult
    易しい | easy | easier
    つまらない | boring
    長い | long | longer
    短い | short | shorter
    有名な | famous
    新しい | new | newer
    古い | old | older
    役に立つ | useful`).filter(({ ja }) => ja !== "役に立つ"),
  person: adjectives(`
    親切な | kind | kinder
    元気な | well | better
    若い | young | younger
    忙しい | busy | busier
    背が高い | tall | taller
    優しい | gentle | gentler
    厳しい | strict | stricter
    有名な | famous
    頭がいい | smart | smarter
    強い | strong | stronger
    静かな | quiet | quieter
    正直な | honest
    幸せな | happy | happier
    眠い | sleepy | sleepier
    悲しい | sad | sadder
    美しい | beautiful
    怠け者の | lazy | lazier
    丁寧な | polite
    面白い | funny | funnier
    病気の | sick | sicker
    足が速い | fast | faster
    貧しい | poor | poorer`).filter(({ ja }) => !ja.endsWith("の")),
  place: adjectives(`
    静かな | quiet | quieter
    にぎやかな | lively | livelier
    広い | large | larger
    狭い | small | smaller
    明るい | bright | brighter
    暗い | dark | darker
    遠い | far | farther
    近い | near | nearer
    きれいな | clean | cleaner
    古い | old | older
    新しい | new | newer
    有名な | famous
    危ない | dangerous
    安全な | safe | safer
    寒い | cold | colder
    暖かい | warm | warmer
    美しい | beautiful`),
};

export interface Subject {
  /** "" where the speaker is not named. */
  readonly ja: string;
  readonly en: string;
  readonly person: "i" | "you" | "he" | "they" | "we";
  /** my, his … for the object that belongs to the subject. */
  readonly own: string;
}

export const SUBJECTS: readonly Subject[] = lines(`
  私 | I | i | my
  私 | I | i | my
  僕 | I | i | my
  私たち | we | we | our
  あなた | you | you | your
  彼 | he | he | his
  彼 | he | he | his
  彼女 | she | he | her
  彼女 | she | he | her
  彼ら | they | they | their
  父 | my father | he | his
  母 | my mother | he | her
  兄 | my older brother | he | his
  姉 | my older sister | he | her
  弟 | my younger brother | he | his
  弟 | my little brother | he | his
  妹 | my younger sister | he | her
  妹 | my little sister | he | her
  祖父 | my grandfather | he | his
  祖母 | my grandmother | he | her
  おじ | my uncle | he | his
  おば | my aunt | he | her
  いとこ | my cousin | he | his
  両親 | my parents | they | their
  息子 | my son | he | his
  娘 | my daughter | he | her
  妻 | my wife | he | her
  夫 | my husband | he | his
  トム | Tom | he | his
  メアリー | Mary | he | her
  ケン | Ken | he | his
  田中さん | Mr. Tanaka | he | his
  山田さん | Ms. Yamada | he | her
  鈴木先生 | Mr. Suzuki | he | his
  先生 | the teacher | he | his
  学生たち | the students | they | their
  生徒たち | the students | they | their
  子供たち | the children | they | their
  その男の子 | the boy | he | his
  その女の子 | the girl | he | her
  その少年 | the boy | he | his
  その少女 | the girl | he | her
  あの人 | that person | he | his
  その男 | the man | he | his
  その女性 | the woman | he | her
  その老人 | the old man | he | his
  医者 | the doctor | he | his
  友達 | my friend | he | his
  友人 | a friend of mine | he | his
  隣の人 | my neighbor | he | his
  みんな | everyone | he | their
  クラスメート | my classmate | he | his
  ルームメート | my roommate | he | his
  弟たち | my little brothers | they | their
  社長 | the president | he | his
  店員 | the clerk | he | his
  お客さん | the customer | he | his
  看護師 | the nurse | he | her`).map(([ja, en, person, own]) => ({ ja: ja!, en: en!, person: person as Subject["person"], own: own! }));

export const REASONS = phrases(`
  雨が降っていた | it was raining
  雪が降っていた | it was snowing
  天気がよかった | the weather was good
  とても暑かった | it was very hot
  とても寒かった | it was very cold
  疲れていた | I was tired
  お腹がすいていた | I was hungry
  のどが渇いていた | I was thirsty
  時間がなかった | I had no time
  お金がなかった | I had no money
  風邪をひいていた | I had a cold
  頭が痛かった | I had a headache
  電車が遅れた | the train was late
  バスが来なかった | the bus did not come
  道が混んでいた | the road was crowded
  店が閉まっていた | the shop was closed
  眠かった | I was sleepy
  忙しかった | I was busy
  風が強かった | the wind was strong
  友達が来た | a friend came
  仕事があった | I had work to do
  試験が近かった | the exam was near
  気分が悪かった | I felt sick
  道に迷った | I got lost
  暗くなった | it got dark
  宿題が多かった | I had a lot of homework
  日曜日だった | it was Sunday
  誕生日だった | it was my birthday
  財布をなくした | I lost my wallet
  傘を忘れた | I forgot my umbrella`);

export const CONDITIONS = phrases(`
  明日雨が降ったら | if it rains tomorrow
  天気がよかったら | if the weather is good
  時間があったら | if I have time
  お金があったら | if I have money
  暇だったら | if I am free
  早く起きたら | if I get up early
  仕事が終わったら | when I finish my work
  学校が終わったら | when school is over
  家に着いたら | when I get home
  駅に着いたら | when I get to the station
  春になったら | when spring comes
  夏になったら | when summer comes
  大人になったら | when I grow up
  彼が来たら | when he comes
  雨がやんだら | when the rain stops
  寒かったら | if it is cold
  暑かったら | if it is hot
  疲れたら | when I get tired
  電車が遅れたら | if the train is late`);
