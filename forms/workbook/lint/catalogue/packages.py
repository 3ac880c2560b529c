"""Packages: the files that come with a form, and the map that leads to it."""

from typing import Final

from forms.workbook.lint.catalogue.entry import Entry, entry

ENTRIES: Final[tuple[Entry, ...]] = (
    entry(
        "entity-property",
        "warning",
        "`Head` saved to a list that has `head`",
        en=(
            "The form saves to “{name}” of the entity list “{list}”, which calls that property “{known}”.",
            "Write it as the list does; until then both count as one.",
        ),
        fr=(
            "Le formulaire enregistre « {name} » dans la liste d'entités « {list} », qui écrit « {known} ».",
            "Écrivez-la comme la liste ; d'ici là, les deux comptent pour une seule propriété.",
        ),
    ),
    entry(
        "entity-property-new",
        "note",
        "`persons` saved to a list that has `head` only",
        en=(
            "The form adds the property “{name}” to the entity list “{list}”.",
            "Correct the name if the list has it under another one.",
        ),
        fr=(
            "Le formulaire ajoute la propriété « {name} » à la liste d'entités « {list} ».",
            "Corrigez le nom si la liste la connaît sous un autre.",
        ),
    ),
    entry(
        "media-name",
        "error",
        "`../card.png`",
        en=(
            "“{name}” cannot be the name of a media file: it has a path, a control character or no letter.",
            "Use a plain file name of at most {longest} characters, as the workbook writes it.",
        ),
        fr=(
            "« {name} » ne peut pas nommer un fichier média : chemin, caractère de contrôle ou nom vide.",
            "Utilisez un simple nom de fichier de {longest} caractères au plus, celui du classeur.",
        ),
    ),
    entry(
        "media-name-twice",
        "error",
        "`card.png` and `Card.PNG`",
        en=(
            "Two media files are called “{first}” and “{name}”, which a tablet takes for one.",
            "Rename one of them, here and in the workbook.",
        ),
        fr=(
            "Deux fichiers s'appellent « {first} » et « {name} » : une tablette les confond.",
            "Renommez l'un des deux, ici et dans le classeur.",
        ),
    ),
    entry(
        "media-type",
        "error",
        "`card.exe`",
        en=("“{name}” is of no type that a form can show or read.", "Use one of {types}."),
        fr=("« {name} » n'est d'aucun type qu'un formulaire sache montrer ou lire.", "Utilisez l'un de {types}."),
    ),
    entry(
        "media-too-large",
        "error",
        "a video of 40 MiB",
        en=(
            "“{name}” has {size} bytes; at most {limit} MiB reach a tablet.",
            "Make it smaller, or leave it out.",
        ),
        fr=(
            "« {name} » fait {size} octets ; au plus {limit} Mio parviennent à une tablette.",
            "Réduisez ou retirez-le.",
        ),
    ),
    entry(
        "package-too-large",
        "error",
        "2000 pictures",
        en=(
            "There are {count} files of {size} bytes; at most {most} of {limit} MiB together fit.",
            "Make pictures and recordings smaller, or leave some out.",
        ),
        fr=(
            "Il y a {count} fichiers, {size} octets en tout ; au plus {most} fichiers et {limit} Mio tiennent.",
            "Réduisez les images et les enregistrements, ou retirez-en.",
        ),
    ),
    entry(
        "not-a-package",
        "error",
        "a .zip that was cut",
        en=(
            "The .zip file is damaged or protected by a password.",
            "Pack the workbook and its media again, without a password.",
        ),
        fr=(
            "Le fichier .zip est endommagé ou protégé par un mot de passe.",
            "Recréez l'archive avec le classeur et ses médias, sans mot de passe.",
        ),
    ),
    entry(
        "package-workbooks",
        "error",
        "a .zip of pictures only",
        en=(
            "The .zip file holds {count} workbooks; a package has exactly one.",
            "Put one workbook ({suffixes}) into it, and its media.",
        ),
        fr=(
            "L'archive contient {count} classeurs ; il en faut exactement un.",
            "Mettez-y un seul classeur ({suffixes}) et ses médias.",
        ),
    ),
    entry(
        "xform-too-large",
        "error",
        "a list of 40 000 villages on the choices sheet",
        en=(
            "The form makes an XForm of {size} bytes; at most {limit} reach a tablet in one answer.",
            "Put long choice lists into files.",
        ),
        fr=(
            "Le formulaire donne un XForm de {size} octets ; une tablette en reçoit au plus {limit} à la fois.",
            "Mettez les longues listes de choix dans des fichiers.",
        ),
    ),
    entry(
        "public-key-unusable",
        "error",
        "public_key = “my key” on the settings sheet",
        en=(
            "The public key to which ODK Collect is to encrypt is no RSA key of at least {bits} bits in base64.",
            "Take what `openssl rsa -pubout` gives, without its first and last line, or leave public_key out.",
        ),
        fr=(
            "La clé publique pour le chiffrement par Collect n'est pas une clé RSA d'au moins {bits} bits en base64.",
            "Prenez ce que donne `openssl rsa -pubout`, sans la première ni la dernière ligne, ou videz public_key.",
        ),
    ),
    entry(
        "setting-too-long",
        "error",
        "a form_title of 1001 characters",
        en=("The {setting} has {size} characters; at most {limit} fit.", "Shorten it."),
        fr=("« {setting} » a {size} caractères ; au plus {limit} tiennent.", "Raccourcissez-le."),
    ),
    entry(
        "map-twice",
        "error",
        "a sheet `map` and `--map map.csv`",
        en=("There is a migration map in the workbook and another in a file.", "Keep one of them."),
        fr=("Il y a une table de passage dans le classeur et une autre dans un fichier.", "N'en gardez qu'une."),
    ),
    entry(
        "map-without-previous",
        "warning",
        "a map with the first version of a form",
        en=(
            "There is a migration map, but no version was published before this one.",
            "It is not stored; nothing needs to be done.",
        ),
        fr=(
            "Il y a une table de passage, mais aucune version n'a été publiée avant celle-ci.",
            "Elle n'est pas enregistrée ; il n'y a rien à faire.",
        ),
    ),
)
