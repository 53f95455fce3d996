#!/bin/sh
# One year of a region, by commands alone: a cycle, members, outlines, reviews by silence and by
# objection, courses of all four modalities, paid and unpaid, from a Moodle, from pushes and from an
# LTI tool, reports, certificates, figures, and the step into the next cycle. All of it is sample data.
#
#   . .venv/bin/activate        # or another way to have lms-bridge and its python on the PATH
#   sh benchmarks/year.sh
#
# That takes some minutes. It starts a simulated Moodle, a simulated tool and `lms-bridge serve`, and
# ends them again; its files and an empty SQLite database are in a folder of its own, which it names
# at the end. The environment may name others: LMS_BRIDGE_STORE__ADDRESS an empty database, for
# example postgresql://user@host/year; MOODLE the address of a Moodle, and MOODLE_TOKEN its token.
#
# A year does not pass while this runs: the dates of courses move instead of the clock.
set -eu
day() { date -u -d "$1 days" +%F 2>/dev/null || date -u -v"$1d" +%F; }  # as GNU has it, and BSD
year() { day "$1" | cut -c 1-4; }

python=${PYTHON:-python3}
free_port() {
  "$python" -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}

folder=$(mktemp -d)
cd "$folder"
started=
trap 'test -z "$started" || kill $started' EXIT
LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES=true  # the sample systems serve plain HTTP on this machine
LMS_BRIDGE_WEB__PORT=$(free_port)
export LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES LMS_BRIDGE_WEB__PORT
: "${LMS_BRIDGE_STORE__ADDRESS:=sqlite:///$folder/year.sqlite3}"
export LMS_BRIDGE_STORE__ADDRESS
if [ -z "${MOODLE:-}" ]; then
  "$python" -m lms_bridge.devtools.moodle --region Africa --courses 6 --people 0 --enrolments 0 \
    >moodle.json &
  started=$!
  until [ -s moodle.json ]; do kill -0 $started || exit 1; sleep 1; done
  MOODLE=$(sed 's/{"url": "\([^"]*\)".*/\1/' moodle.json)
  MOODLE_TOKEN=simulatedservicetoken
  export MOODLE_TOKEN
fi

# The cycle that holds now, its areas, the next one, and who is a member
lms-bridge db upgrade
if [ "$(lms-bridge centre list --json)" != "[]" ]; then
  echo "This needs an empty database: another LMS_BRIDGE_STORE__ADDRESS" >&2
  exit 1
fi
end=$(year +60)
next=$((end + 1))-$((end + 4))
lms-bridge cycle change 2023- --ends "$end-12-31"
lms-bridge cycle open "$next" --starts "$((end + 1))-01-01" --ends "$((end + 4))-12-31" --areas-of 2023- --programme "Sample programme"
lms-bridge area rename "$next" "Digital services" "Digital public services"
lms-bridge centre add ALPHA --name "Alpha (sample)" --region africa --address "$MOODLE" -o publish_field=itu_publish --token-env MOODLE_TOKEN --membership "2023-=Cybersecurity"
mkdir beta
lms-bridge centre add BETA --name "Beta (sample)" --region africa --connector files --address "$folder/beta"
lms-bridge centre profile BETA --country KE --city Nairobi --name-in "fr=Bêta (exemple)" --site https://beta.example/
lms-bridge membership add BETA 2023- --area "Digital services" --area Cybersecurity

# A schedule is pushed: four modalities, one of them paid
cat > plan.csv <<END
id;title;modality;level;starts at;ends at;status;location;topics;price;currency;payment methods;registration
led;Sample led;Online instructor-led;Advanced;$(day +20);$(day +30);planned;;Cybersecurity;;;;Direct
site;Sample site;Face-to-face;Advanced;$(day +20);$(day +24);planned;Nairobi;Cybersecurity;150;USD;bank transfer;Application
mixed;Sample mixed;Blended;Introductory;$(day +20);$(day +30);planned;Nairobi;Digital services;;;;Direct
self;Sample self;Online self-paced;Introductory;;;planned;;Cybersecurity;;;;Direct
END
lms-bridge schedule push plan.csv --centre BETA

# Outlines: two reviewed by silence, one by a person, one after an objection
lms-bridge offering outline BETA-2ndolidb --mandate "It fits" --membership "Members asked for it" --instructor "A sample"
LMS_BRIDGE_RULES__OBJECTION_DAYS=0 lms-bridge offering submit BETA-2ndolidb
LMS_BRIDGE_RULES__OBJECTION_DAYS=0 lms-bridge offering submit BETA-4ls2wzkv
lms-bridge offering submit BETA-6lxocl2z
lms-bridge offering review BETA-6lxocl2z
lms-bridge offering submit BETA-fymfsafr
lms-bridge offering comment BETA-fymfsafr "Who teaches?" --point description
lms-bridge offering object BETA-fymfsafr --reason "No instructor is named" --point description
lms-bridge offering outline BETA-fymfsafr --instructor "A sample"
lms-bridge offering submit BETA-fymfsafr
lms-bridge offering review BETA-fymfsafr
lms-bridge offering publish BETA-2ndolidb
lms-bridge offering publish BETA-4ls2wzkv
lms-bridge offering publish BETA-6lxocl2z
lms-bridge offering publish BETA-fymfsafr

# The Moodle's courses come in, too
lms-bridge sync --centre ALPHA

# A resource of a tool is chosen by deep linking: a browser goes by the bridge's pages to the tool,
# and back. It has a title only, so its centre completes it
LMS_BRIDGE_CLOCK__ENABLED=false lms-bridge serve >serve.txt 2>serve.log &
serving=$!
started="$started $serving"
until [ -s serve.txt ]; do kill -0 $serving || exit 1; sleep 1; done
tool=http://127.0.0.1:$(free_port)
lms-bridge centre add GAMMA --name "Gamma (sample)" --region africa --connector lti --membership "2023-=Cybersecurity"
lms-bridge lti add-tool "Sample tool" --centre GAMMA --login-url "$tool/login" --redirect-url "$tool/launch" --deep-link-url "$tool/launch" --keys-url "$tool/keys"
lms-bridge lti show 1 --json >tool.json
"$python" -m lms_bridge.devtools.demo.choice "$tool" tool.json "$(lms-bridge lti choose --centre GAMMA)"
lms-bridge sync --centre GAMMA
lms-bridge export offerings offerings.csv
chosen=$(grep -o 'GAMMA-[a-z0-9]*' offerings.csv | head -n 1)
lms-bridge offering complete "$chosen" --set modality=online_self_paced --set level=introductory --set topics=Cybersecurity
lms-bridge offering submit "$chosen"
lms-bridge offering review "$chosen"
lms-bridge offering publish "$chosen"

# People register; for the paid course some were selected and have paid, one has not yet
cat > people.csv <<END
offering,learner.id,learner.email,learner.given_name,learner.family_name,learner.country,status
BETA-2ndolidb,s1,s1@example.org,Sample,One,KE,enrolled
BETA-2ndolidb,s2,s2@example.org,Sample,Two,UG,enrolled
BETA-fymfsafr,s1,s1@example.org,Sample,One,KE,enrolled
BETA-fymfsafr,s3,s3@example.org,Sample,Three,TZ,invoiced
BETA-6lxocl2z,s4,s4@example.org,Sample,Four,SN,enrolled
BETA-4ls2wzkv,s5,s5@example.org,Sample,Five,SN,enrolled
$chosen,s6,s6@example.org,Sample,Six,CI,enrolled
END
lms-bridge import registrations people.csv

# Time goes by: the courses with dates are over, one is cancelled
cat > over.csv <<END
id;title;modality;level;starts at;ends at;status;location;topics;price;currency;payment methods;registration
led;Sample led;Online instructor-led;Advanced;$(day -20);$(day -10);published;;Cybersecurity;;;;Direct
site;Sample site;Face-to-face;Advanced;$(day -20);$(day -16);published;Nairobi;Cybersecurity;150;USD;bank transfer;Application
END
lms-bridge schedule push over.csv --centre BETA
lms-bridge offering cancel BETA-6lxocl2z --reason "The instructor is ill"

# Results, reports, their validation, certificates
cat > results.csv <<END
offering,learner,score,completed
BETA-2ndolidb,s1,80,true
BETA-2ndolidb,s2,30,false
BETA-fymfsafr,s1,70,true
BETA-4ls2wzkv,s5,90,true
$chosen,s6,75,true
END
lms-bridge import results results.csv
lms-bridge offering report BETA-2ndolidb --summary "Two took part" --evaluation "Good"
lms-bridge offering object BETA-2ndolidb --reason "What was difficult?"
lms-bridge offering report BETA-2ndolidb --summary "Two took part" --difficulties "Slow lines"
lms-bridge offering close BETA-2ndolidb
lms-bridge offering report BETA-4ls2wzkv --summary "The course works"
lms-bridge offering close BETA-4ls2wzkv
lms-bridge offering certify BETA-2ndolidb
lms-bridge offering certify BETA-2ndolidb
lms-bridge offering certify BETA-4ls2wzkv
lms-bridge offering report "$chosen" --summary "The resource works"
lms-bridge offering close "$chosen"
lms-bridge offering certify "$chosen"

# The figures: of two years where these weeks have a New Year in them. Then the next cycle
for each in $(printf '%s\n' "$(year -20)" "$(year +20)" | sort -u); do
  lms-bridge report year "$each" --region africa --csv "figures-$each.csv"
done
lms-bridge roll-over plan africa 2023- "$next"
lms-bridge roll-over approve 1
lms-bridge membership list --cycle "$next"
echo "Everything is in $folder"
