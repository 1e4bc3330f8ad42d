/**
 * Word lists of the sentence templates. The first line of a list names the forms, every other line is one word; cells are separated by " | ". The
 * lists are made for their templates, so that every combination is a sentence that somebody could say.
 */

/** A word in the forms that the templates need, such as { ja: "兄", en: "my older brother", object: "my older brother" }. */
export type Word = Readonly<Record<string, string>>;

function words(text: string): readonly Word[] {
  const [forms, ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(forms!.map((form, index) => [form, cells[index]!])));
}

/** What somebody does: dictionary form, te-form, past, stem; in English base, -ing and participle. */
const verbs = (text: string): readonly Word[] => words(`dict | te | ta | masu | en | ing | done\n${text.trim()}`);
const plain = (text: string): readonly Word[] => words(`ja | en\n${text.trim()}`);

export const lists: Readonly<Record<string, readonly Word[]>> = {
  person: words(`
    ja | en | object | own
    父 | my father | my father | my father's
    母 | my mother | my mother | my mother's
    兄 | my older brother | my older brother | my older brother's
    姉 | my older sister | my older sister | my older sister's
    弟 | my little brother | my little brother | my little brother's
    妹 | my little sister | my little sister | my little sister's
    祖父 | my grandfather | my grandfather | my grandfather's
    祖母 | my grandmother | my grandmother | my grandmother's
    おじ | my uncle | my uncle | my uncle's
    おば | my aunt | my aunt | my aunt's
    いとこ | my cousin | my cousin | my cousin's
    息子 | my son | my son | my son's
    娘 | my daughter | my daughter | my daughter's
    友達 | my friend | my friend | my friend's
    彼 | he | him | his
    彼女 | she | her | her`),
  young: plain(`
    兄 | my older brother
    姉 | my older sister
    弟 | my little brother
    妹 | my little sister
    息子 | my son
    娘 | my daughter
    いとこ | my cousin
    友達 | my friend
    彼 | he
    彼女 | she`),
  past: plain(`
    昨日 | yesterday
    先週 | last week
    先月 | last month
    日曜日に | on Sunday
    おととい | the day before yesterday`),
  recent: plain(`
    昨日 | yesterday
    先週 | last week
    おととい | the day before yesterday
    日曜日 | on Sunday`),
  since: plain(`
    昨日 | yesterday
    今朝 | this morning
    おととい | the day before yesterday
    日曜日 | Sunday
    先週 | last week`),
  day: plain(`
    明日 | tomorrow
    今週末 | this weekend
    来週 | next week
    次の日曜日 | next Sunday
    あさって | the day after tomorrow`),
  when: plain(`
    週末に | on the weekend
    夏休みに | during the summer vacation
    来月 | next month
    今度の土曜日に | next Saturday`),
  hour: plain(`
    五時 | five o'clock
    六時 | six o'clock
    七時半 | half past seven
    八時 | eight o'clock
    十時 | ten o'clock`),
  minutes: plain(`
    五分 | five minutes
    十分 | ten minutes
    二十分 | twenty minutes
    三十分 | thirty minutes
    一時間 | an hour`),
  days: plain(`
    三日 | three days
    五日 | five days
    十日 | ten days
    二週間 | two weeks
    三週間 | three weeks`),
  years: plain(`
    十年 | ten years
    三十年 | thirty years
    五十年 | fifty years
    二百年 | two hundred years`),
  price: plain(`
    五百円 | five hundred yen
    千円 | one thousand yen
    三千円 | three thousand yen
    一万円 | ten thousand yen`),
  month: plain(`
    一月 | January
    三月 | March
    四月 | April
    六月 | June
    八月 | August
    十月 | October
    十二月 | December`),
  season: plain(`
    春 | spring
    夏 | summer
    秋 | fall
    冬 | winter`),
  ride: plain(`
    バス | by bus
    電車 | by train
    自転車 | by bicycle
    車 | by car
    地下鉄 | by subway`),
  work: plain(`
    学校 | school
    会社 | the office
    大学 | college
    工場 | the factory
    病院 | the hospital`),
  room: plain(`
    台所 | the kitchen
    居間 | the living room
    隣の部屋 | the next room
    庭 | the garden
    二階の部屋 | the room upstairs`),
  outing: plain(`
    海 | the beach
    図書館 | the library
    動物園 | the zoo
    プール | the swimming pool
    公園 | the park
    デパート | the department store
    遊園地 | the amusement park
    喫茶店 | the coffee shop`),
  sight: plain(`
    駅 | the station
    空港 | the airport
    美術館 | the art museum
    郵便局 | the post office
    市役所 | the city hall
    ホテル | the hotel
    お城 | the castle
    博物館 | the museum`),
  shop: plain(`
    スーパー | the supermarket
    パン屋 | the bakery
    魚屋 | the fish shop
    市場 | the market
    本屋 | the bookstore
    花屋 | the flower shop
    床屋 | the barber shop`),
  store: plain(`
    スーパー | the supermarket
    市場 | the market
    近くの店 | the shop nearby
    駅前の店 | the store by the station`),
  building: plain(`
    寺 | temple
    図書館 | library
    学校 | school
    病院 | hospital
    教会 | church
    郵便局 | post office`),
  landmark: plain(`
    駅の隣 | next to the station
    公園の向かい | across from the park
    川のそば | by the river
    銀行の裏 | behind the bank
    坂の上 | at the top of the hill`),
  sights: plain(`
    古い寺 | old temples
    静かな公園 | quiet parks
    小さな本屋 | small bookstores
    おいしい店 | good restaurants
    高い建物 | tall buildings
    細い道 | narrow streets`),
  place: plain(`
    田んぼ | a rice field
    海 | the sea
    駅 | a station
    小学校 | an elementary school
    森 | a forest
    市場 | a market`),
  indoors: plain(`
    図書館 | in the library
    教室 | in the classroom
    電車の中 | on the train
    病院 | in the hospital
    美術館 | in the art museum`),
  city: plain(`
    東京 | Tokyo
    京都 | Kyoto
    北海道 | Hokkaido
    海の近くの村 | a village near the sea
    小さな町 | a small town
    古いアパート | an old apartment`),
  bought: plain(`
    新しい靴 | new shoes
    赤い帽子 | a red hat
    白いシャツ | a white shirt
    古い車 | an old car
    大きなテレビ | a big television
    英語の辞書 | an English dictionary
    黒い傘 | a black umbrella
    小さな机 | a small desk`),
  goods: plain(`
    切手 | stamps
    新聞 | a newspaper
    電池 | batteries
    この本 | this book
    バスの切符 | bus tickets
    花 | flowers
    地図 | a map
    薬 | medicine`),
  thing: words(`
    ja | en | a
    鍵 | key | a key
    傘 | umbrella | an umbrella
    財布 | wallet | a wallet
    辞書 | dictionary | a dictionary
    鉛筆 | pencil | a pencil
    かばん | bag | a bag
    カメラ | camera | a camera
    帽子 | hat | a hat
    時計 | watch | a watch
    ペン | pen | a pen`),
  ware: plain(`
    辞書 | dictionary
    傘 | umbrella
    かばん | bag
    カメラ | camera
    帽子 | hat
    時計 | watch
    机 | desk
    自転車 | bicycle
    絵 | painting`),
  valuable: plain(`
    財布 | wallet
    かばん | bag
    カメラ | camera
    時計 | watch
    自転車 | bicycle
    傘 | umbrella`),
  item: plain(`
    車 | car
    かばん | bag
    傘 | umbrella
    帽子 | hat
    自転車 | bicycle
    コート | coat`),
  color: plain(`
    赤い | red
    青い | blue
    白い | white
    黒い | black
    黄色い | yellow
    とても古い | very old
    新しい | new`),
  letter: plain(`
    手紙 | a letter
    はがき | a postcard
    小包 | a package
    長いメール | a long e-mail
    返事 | a reply
    招待状 | an invitation`),
  present: plain(`
    花束 | a bunch of flowers
    腕時計 | a watch
    人形 | a doll
    外国の本 | a foreign book
    チョコレート | some chocolate
    手袋 | a pair of gloves
    映画の切符 | a movie ticket`),
  clothes: plain(`
    赤いセーター | a red sweater
    黒いコート | a black coat
    白いドレス | a white dress
    新しい制服 | a new uniform
    着物 | a kimono
    長いスカート | a long skirt`),
  wear: plain(`
    シャツ | shirt
    コート | coat
    上着 | jacket
    帽子 | hat
    セーター | sweater`),
  size: plain(`
    大き | big
    小さ | small
    高 | expensive
    派手 | flashy`),
  food: plain(`
    野菜 | vegetables
    魚 | fish
    卵 | eggs
    肉 | meat
    果物 | fruit
    米 | rice
    チーズ | cheese
    玉ねぎ | onions
    にんじん | carrots`),
  dish: plain(`
    カレー | curry
    すし | sushi
    スープ | soup
    サラダ | salad
    サンドイッチ | sandwiches
    オムレツ | omelets
    焼き魚 | grilled fish
    うどん | udon noodles`),
  snack: plain(`
    ケーキ | cake
    アイスクリーム | ice cream
    チョコレート | chocolate
    ゼリー | jelly
    パイ | pie`),
  taste: plain(`
    甘く | sweet
    冷たく | cold
    柔らかく | soft
    軽く | light`),
  drink: plain(`
    お茶 | tea
    コーヒー | coffee
    紅茶 | black tea
    ココア | cocoa
    温かい牛乳 | warm milk`),
  machine: plain(`
    洗濯機 | the washing machine
    テレビ | the television
    エアコン | the air conditioner
    掃除機 | the vacuum cleaner
    プリンター | the printer
    目覚まし時計 | the alarm clock
    この機械 | this machine`),
  spot: plain(`
    机の上 | on the desk
    椅子の下 | under the chair
    箱の中 | in the box
    ドアの前 | in front of the door
    ベッドの上 | on the bed
    窓のそば | by the window`),
  pets: plain(`
    猫 | a cat
    小さな犬 | a small dog
    白い猫 | a white cat
    子犬 | a puppy
    うさぎ | a rabbit`),
  pet: plain(`
    犬を二匹 | two dogs
    猫を三匹 | three cats
    小鳥を一羽 | one little bird
    金魚をたくさん | many goldfish
    うさぎを一匹 | one rabbit
    馬を二頭 | two horses`),
  animal: plain(`
    象 | elephants
    馬 | horses
    熊 | bears
    牛 | cows`),
  creature: plain(`
    猫 | cats
    うさぎ | rabbits
    ねずみ | mice
    羊 | sheep
    犬 | dogs`),
  trait: plain(`
    大きい | bigger
    強い | stronger
    重い | heavier`),
  job: plain(`
    医者 | a doctor
    先生 | a teacher
    歌手 | a singer
    料理人 | a cook
    看護師 | a nurse
    作家 | a writer
    パイロット | a pilot`),
  skill: plain(`
    絵をかく | drawing pictures
    歌を歌う | singing
    料理をする | cooking
    人を笑わせる | making people laugh
    ピアノを弾く | playing the piano
    話を作る | making up stories
    子供と遊ぶ | playing with children`),
  can: plain(`
    速く走る | run fast
    料理をする | cook
    英語を話す | speak English
    ピアノを弾く | play the piano
    長い間泳ぐ | swim for a long time
    何でも食べる | eat anything
    高い木に登る | climb tall trees`),
  age: plain(`
    五歳 | five
    八歳 | eight
    十歳 | ten
    十二歳 | twelve`),
  kind: plain(`
    親切な | kind
    忙しい | busy
    強い | strong
    正直な | honest
    背の高い | tall
    頭のいい | smart`),
  feeling: plain(`
    うれし | happy
    悲し | sad
    眠 | sleepy
    忙し | busy
    寂し | lonely
    心配 | worried
    元気 | well`),
  outdoors: plain(`
    釣り | fishing
    散歩 | for a walk
    買い物 | shopping
    山登り | mountain climbing
    キャンプ | camping`),
  absent: plain(`
    風邪 | a cold
    高い熱 | a high fever
    頭痛 | a headache
    足のけが | a leg injury`),
  message: plain(`
    少し遅れる | I will be a little late
    すぐに戻る | I will be back soon
    電話を待っている | I am waiting for a call
    明日は行けない | I cannot go tomorrow
    本が見つかった | I found the book
    心配はいらない | there is no need to worry`),
  habit: plain(`
    遅れて来る | comes late
    道に迷う | gets lost
    本を読みながら眠る | falls asleep over a book
    傘を忘れる | forgets an umbrella
    朝早く起きる | gets up early in the morning
    人の手伝いをする | helps other people`),
  waiting: plain(`
    雑誌を読んだ | read a magazine
    お茶を飲んだ | drank some tea
    本を一冊読み終えた | finished a book
    電話を三回かけた | made three phone calls
    駅前の店を見た | looked at the shops by the station`),
  sport: plain(`
    テニス | tennis
    野球 | baseball
    水泳 | swimming
    スキー | skiing
    サッカー | soccer
    バスケットボール | basketball`),
  subject: plain(`
    数学 | math
    英語 | English
    音楽 | music
    歴史 | history`),
  study: plain(`
    化学 | chemistry
    物理 | physics
    フランス語 | French
    中国語 | Chinese`),
  language: plain(`
    英語 | English
    フランス語 | French
    中国語 | Chinese
    ドイツ語 | German
    スペイン語 | Spanish
    韓国語 | Korean`),
  exam: plain(`
    昨日の試験 | yesterday's exam
    新しい仕事 | the new job
    昨日の宿題 | yesterday's homework
    この前の旅行 | the last trip
    今度の授業 | the new class`),
  level: plain(`
    大変だった | harder
    おもしろかった | more interesting
    楽だった | easier
    退屈だった | more boring`),
  mischief: plain(`
    窓を割った | broke the window
    ケーキを全部食べた | ate all the cake
    電気を消した | turned off the light
    この絵をかいた | drew this picture
    ドアを開けた | opened the door
    犬を外に出した | let the dog out
    ここに自転車を置いた | put the bicycle here`),
  did: plain(`
    学校を休んだ | miss school
    早く帰った | go home early
    髪を切った | cut your hair
    窓を開けた | open the window
    一人で行った | go alone
    何も言わなかった | say nothing
    仕事をやめた | quit your job
    そんなに笑った | laugh so much`),
  act: words(`
    te | en
    写真を撮って | take pictures
    座って | sit
    たばこを吸って | smoke
    昼ごはんを食べて | eat lunch
    車を止めて | park my car
    電話で話して | talk on the phone
    泳いで | swim
    歌って | sing`),
  remember: plain(`
    窓を閉める | close the window
    鍵をかける | lock the door
    薬を飲む | take your medicine
    切手を貼る | put a stamp on it
    電気を消す | turn off the light
    ごみを出す | take out the trash
    犬にえさをやる | feed the dog
    歯を磨く | brush your teeth`),
  noisy: plain(`
    騒が | make noise
    走ら | run
    物を食べ | eat
    大きな声で話さ | talk loudly
    写真を撮ら | take pictures`),
  corner: plain(`
    角 | corner
    信号 | traffic light
    交差点 | crossing`),
  side: plain(`
    右 | right
    左 | left`),
  contact: plain(`
    電話してください | call me
    メールをください | send me an e-mail
    タクシーに乗ってください | take a taxi
    少し待っていてください | wait for a while
    係の人に聞いてください | ask the person in charge`),
  care: plain(`
    歯を磨き | brush your teeth
    顔を洗い | wash your face
    宿題を終わらせ | finish your homework
    テレビを消し | turn off the TV
    部屋を片づけ | clean up your room
    お風呂に入り | take a bath
    明日の用意をし | get ready for tomorrow`),
  danger: plain(`
    道で遊ば | play in the street
    走ら | run
    川に入ら | go into the river
    その犬に触ら | touch that dog
    窓から体を出さ | lean out of the window
    夜に一人で歩か | walk alone at night`),
  weather: plain(`
    晴れ | sunny
    雨 | rainy
    曇り | cloudy
    寒い | cold
    暑い | hot
    風が強い | windy`),
  nature: plain(`
    旅行に行く人が増える | more people travel
    この公園は人が多くなる | this park gets crowded
    山の色が変わる | the color of the mountains changes
    風邪を引く人が多い | many people catch colds
    祖母が遊びに来る | my grandmother comes to visit us
    新しい店が開く | new shops open`),
  chilly: plain(`
    暑く | hot
    寒く | cold
    風が強く | windy`),
  stay: plain(`
    外に出られなかった | I could not go out
    よく眠れなかった | I could not sleep well
    一日中家にいた | I stayed home all day
    誰も来なかった | nobody came
    試合は中止になった | the game was canceled`),
  falling: plain(`
    雨 | raining
    雪 | snowing
    大雨 | raining hard
    小雨 | raining lightly`),
  routine: plain(`
    起きる | get up
    家を出る | leave home
    犬の散歩をする | walk my dog
    薬を飲む | take my medicine
    シャワーを浴びる | take a shower
    ニュースを見る | watch the news`),
  event: plain(`
    試合 | the game
    会議 | the meeting
    映画 | the movie
    コンサート | the concert
    授業 | the class
    お祭り | the festival
    結婚式 | the wedding`),
  best: plain(`
    食べた中で一番おいしいケーキ | the best cake I have ever eaten
    見た中で一番おもしろい映画 | the most interesting movie I have ever seen
    見た中で一番きれいな海 | the most beautiful sea I have ever seen
    読んだ中で一番悲しい本 | the saddest book I have ever read
    飲んだ中で一番おいしいお茶 | the best tea I have ever drunk
    聞いた中で一番美しい歌 | the most beautiful song I have ever heard
    登った中で一番高い山 | the highest mountain I have ever climbed
    泊まった中で一番古いホテル | the oldest hotel I have ever stayed at`),
  dream: verbs(`
    外国に住む | 外国に住んで | 外国に住んだ | 外国に住み | live abroad | living abroad | lived abroad
    船で旅をする | 船で旅をして | 船で旅をした | 船で旅をし | travel by ship | traveling by ship | traveled by ship
    富士山に登る | 富士山に登って | 富士山に登った | 富士山に登り | climb Mt. Fuji | climbing Mt. Fuji | climbed Mt. Fuji
    馬に乗る | 馬に乗って | 馬に乗った | 馬に乗り | ride a horse | riding a horse | ridden a horse
    本を書く | 本を書いて | 本を書いた | 本を書き | write a book | writing a book | written a book
    犬を飼う | 犬を飼って | 犬を飼った | 犬を飼い | have a dog | having a dog | had a dog
    飛行機に乗る | 飛行機に乗って | 飛行機に乗った | 飛行機に乗り | fly in a plane | flying in a plane | flown in a plane
    京都を訪れる | 京都を訪れて | 京都を訪れた | 京都を訪れ | visit Kyoto | visiting Kyoto | visited Kyoto`),
  duty: plain(`
    宿題を終わらせ | finish my homework
    部屋を片づけ | clean up my room
    本を返さ | return the book
    手紙を書か | write a letter
    お金を払わ | pay the money
    答えを決め | decide on an answer
    漢字を覚え | learn the kanji
    車を直さ | fix the car`),
  fun: verbs(`
    映画を見る | 映画を見て | 映画を見た | 映画を見 | watch a movie | watching a movie | watched a movie
    買い物をする | 買い物をして | 買い物をした | 買い物をし | go shopping | going shopping | gone shopping
    散歩をする | 散歩をして | 散歩をした | 散歩をし | take a walk | taking a walk | taken a walk
    テニスをする | テニスをして | テニスをした | テニスをし | play tennis | playing tennis | played tennis
    海で泳ぐ | 海で泳いで | 海で泳いだ | 海で泳ぎ | swim in the sea | swimming in the sea | swum in the sea
    山に登る | 山に登って | 山に登った | 山に登り | climb a mountain | climbing a mountain | climbed a mountain
    夕食を食べる | 夕食を食べて | 夕食を食べた | 夕食を食べ | have dinner | having dinner | had dinner
    ケーキを焼く | ケーキを焼いて | ケーキを焼いた | ケーキを焼き | bake a cake | baking a cake | baked a cake
    歌を歌う | 歌を歌って | 歌を歌った | 歌を歌い | sing songs | singing songs | sung songs
    花火を見る | 花火を見て | 花火を見た | 花火を見 | watch the fireworks | watching the fireworks | watched the fireworks`),
  task: verbs(`
    本を読む | 本を読んで | 本を読んだ | 本を読み | read a book | reading a book | read a book
    宿題をする | 宿題をして | 宿題をした | 宿題をし | do homework | doing homework | done homework
    音楽を聞く | 音楽を聞いて | 音楽を聞いた | 音楽を聞き | listen to music | listening to music | listened to music
    手紙を書く | 手紙を書いて | 手紙を書いた | 手紙を書き | write a letter | writing a letter | written a letter
    電話で話す | 電話で話して | 電話で話した | 電話で話し | talk on the phone | talking on the phone | talked on the phone
    お茶を飲む | お茶を飲んで | お茶を飲んだ | お茶を飲み | drink tea | drinking tea | drunk tea
    絵をかく | 絵をかいて | 絵をかいた | 絵をかき | draw a picture | drawing a picture | drawn a picture
    ギターを弾く | ギターを弾いて | ギターを弾いた | ギターを弾き | play the guitar | playing the guitar | played the guitar
    新聞を読む | 新聞を読んで | 新聞を読んだ | 新聞を読み | read the newspaper | reading the newspaper | read the newspaper`),
  chore: verbs(`
    皿を洗う | 皿を洗って | 皿を洗った | 皿を洗い | wash the dishes | washing the dishes | washed the dishes
    夕食を作る | 夕食を作って | 夕食を作った | 夕食を作り | make dinner | making dinner | made dinner
    部屋を掃除する | 部屋を掃除して | 部屋を掃除した | 部屋を掃除し | clean the room | cleaning the room | cleaned the room
    荷物を運ぶ | 荷物を運んで | 荷物を運んだ | 荷物を運び | carry the bags | carrying the bags | carried the bags
    車を洗う | 車を洗って | 車を洗った | 車を洗い | wash the car | washing the car | washed the car
    庭の草を抜く | 庭の草を抜いて | 庭の草を抜いた | 庭の草を抜き | weed the garden | weeding the garden | weeded the garden
    シャツを畳む | シャツを畳んで | シャツを畳んだ | シャツを畳み | fold the shirts | folding the shirts | folded the shirts
    手紙を出す | 手紙を出して | 手紙を出した | 手紙を出し | mail the letters | mailing the letters | mailed the letters`),
  rest: plain(`
    早く寝た | go to bed early
    少し休んだ | take a short rest
    お風呂に入った | take a bath
    仕事を休んだ | take a day off work
    家に帰った | go home`),
  rush: plain(`
    急が | hurry
    心配し | worry
    働か | work
    勉強し | study
    食べ | eat
    謝ら | apologize`),
  skip: plain(`
    昼ごはんを食べられなかった | eat lunch
    電話に出られなかった | answer the phone
    新聞を読めなかった | read the newspaper
    友達に会えなかった | meet my friends
    掃除ができなかった | do the cleaning
    早く帰れなかった | go home early`),
  condition: plain(`
    明日雨が降ったら | it rains tomorrow
    時間があれば | I have time
    早く起きられたら | I can get up early
    天気がよければ | the weather is good
    仕事が早く終われば | work finishes early`),
  plan: plain(`
    駅まで歩きます | I will walk to the station
    祖父に会いに行きます | I will go to see my grandfather
    家で映画を見ます | I will watch a movie at home
    部屋を掃除します | I will clean my room
    友達を手伝います | I will help my friend
    電話をかけます | I will call you`),
  reason: plain(`
    とても疲れた | I am very tired
    雨が強い | the rain is heavy
    風邪を引いている | I have a cold
    道が混んでいる | the roads are crowded
    時間がない | I have no time
    お金を使いすぎた | I spent too much money`),
  result: plain(`
    早めに帰ろう | let's go home early
    家で食べよう | let's eat at home
    買い物には行かない | I will not go shopping
    約束を変えたい | I want to change our plans
    もう出かけたくない | I do not want to go out anymore`),
  tidy: plain(`
    部屋を片づけ | cleaned up my room
    引き出しを開け | opened the drawer
    ソファーを動かし | moved the sofa
    押し入れを掃除し | cleaned out the closet`),
  found: plain(`
    古い写真 | an old photograph
    なくした指輪 | the ring I had lost
    子供のころの日記 | a diary from my childhood
    千円札 | a thousand-yen bill
    昔の手紙 | an old letter
    弟のおもちゃ | my little brother's toy`),
  on: plain(`
    駅へ走っている | running to the station
    公園を散歩している | walking in the park
    バスを降りる | getting off the bus
    階段を上っている | going up the stairs
    写真を撮っている | taking a picture`),
  crowd: plain(`
    子供 | children
    学生 | students
    観光客 | tourists
    若い人 | young people
    家族連れ | families`),
  news: plain(`
    試合に負けた | we lost the game
    店が閉まる | the shop is closing
    先生が入院した | our teacher is in the hospital
    その二人が結婚する | those two are getting married
    彼が会社をやめた | he quit the company
    川の水があふれた | the river flooded`),
  relief: plain(`
    みんな無事だ | everyone is safe
    試験に受かった | you passed the exam
    赤ちゃんが元気だ | the baby is well
    財布が見つかった | your wallet was found
    手術がうまくいった | the operation went well`),
  part: plain(`
    足 | leg
    右手 | right hand
    左腕 | left arm
    肩 | shoulder
    腰 | back
    首 | neck`),
  cannot: plain(`
    走れない | run
    自転車に乗れない | ride a bicycle
    泳げない | swim
    働けない | work
    重い物を運べない | carry heavy things`),
  health: plain(`
    毎日歩いて | walk every day
    野菜をたくさん食べて | eat a lot of vegetables
    早く寝て | go to bed early
    週に二回泳いで | swim twice a week
    甘い物を食べないで | do not eat sweets
    階段を使って | use the stairs
    毎朝体操をして | exercise every morning`),
};
